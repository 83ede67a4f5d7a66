#include "dataset/shard_plan.hpp"

#include <algorithm>

#include "job/error.hpp"

namespace shardmill::dataset {

namespace {
// Big enough that a lease is a rare event, small enough that a lost shard is cheap to run again.
constexpr std::int64_t shard_bytes = std::int64_t{32} << 20;
// Ranks that finish at different times are evened out by the shards that are left; so there have to be many.
constexpr std::int64_t least_shards = 64;
// With batch_by: length, as far as there are records for that.
constexpr std::int64_t least_sorted = 16;  // batches
constexpr std::int64_t few_shards = 8;
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
  // Records of like length are found within a shard, so it has to have some batches. With few records that leaves fewer
  // shards, and a last one that is much smaller than the others would leave a rank idle: so, the nearest size.
  const bool sorted = job.batch_by == job::BatchBy::length;
  const std::int64_t least = sorted ? least_sorted * job.batch_size : 1;
  const std::int64_t wanted =
      std::min(shard_bytes / bytes, std::max(records / least_shards, std::min(least, records / few_shards)));
  const std::int64_t batches = std::max<std::int64_t>(1, (wanted + (sorted ? job.batch_size / 2 : 0)) / job.batch_size);
  return ShardPlan(records, batches * job.batch_size);
}

ShardPlan plan_shards(const job::Job& job, const RecordSource& source) {
  return plan_shards(job, source.records(), record_bytes(source));
}

}  // namespace shardmill::dataset
