#include "dataset/shard_plan.hpp"

#include <algorithm>

#include "job/error.hpp"

namespace shardmill::dataset {

namespace {
// Big enough that a lease is a rare event, small enough that a lost shard is cheap to run again.
constexpr std::int64_t shard_bytes = std::int64_t{32} << 20;
// Ranks that finish at different times are evened out by the shards that are left; so there have to be many.
constexpr std::int64_t least_shards = 64;
}  // namespace

ShardPlan::ShardPlan(std::int64_t records, std::int64_t shard_size) : records_(records), shard_size_(shard_size) {
  SHARDMILL_CHECK(records >= 0, "a plan of a negative number of records");
  SHARDMILL_CHECK(shard_size >= 1, "shards of no records");
}

std::int64_t ShardPlan::shards() const { return records_ / shard_size_ + (records_ % shard_size_ != 0 ? 1 : 0); }

std::int64_t ShardPlan::count(std::int64_t shard) const {
  SHARDMILL_CHECK(shard >= 0 && shard < shards(), "no shard " + std::to_string(shard));
  return std::min(shard_size_, records_ - first(shard));
}

ShardPlan plan_shards(const job::Job& job, std::int64_t records, std::size_t record_bytes) {
  if (job.shard_size) return ShardPlan(records, *job.shard_size);
  SHARDMILL_CHECK(job.batch_size >= 1, "batches of no records");
  const auto bytes =
      static_cast<std::int64_t>(std::clamp<std::size_t>(record_bytes, 1, static_cast<std::size_t>(shard_bytes)));
  const std::int64_t wanted = std::min(shard_bytes / bytes, records / least_shards);
  const std::int64_t batches = std::max<std::int64_t>(1, wanted / job.batch_size);
  return ShardPlan(records, batches * job.batch_size);
}

}  // namespace shardmill::dataset
