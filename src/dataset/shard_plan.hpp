// Which records form which shard: a pure function of job and dataset, never of the number of ranks, so that a resumed
// run plans the same shards and cuts the same batches.
#pragma once

#include <cstdint>

#include "dataset/record_source.hpp"
#include "job/job.hpp"

namespace shardmill::dataset {

// Shards are equal ranges of `shard_size` records; the last may be shorter.
class ShardPlan {
 public:
  // Needs records >= 0 and shard_size >= 1 (checked).
  ShardPlan(std::int64_t records, std::int64_t shard_size);

  std::int64_t records() const { return records_; }
  std::int64_t shard_size() const { return shard_size_; }
  std::int64_t shards() const;
  std::int64_t first(std::int64_t shard) const { return shard * shard_size_; }
  std::int64_t count(std::int64_t shard) const;

  friend bool operator==(const ShardPlan&, const ShardPlan&) = default;

 private:
  std::int64_t records_;
  std::int64_t shard_size_;
};

// The job's shard_size, or a size from the dataset alone: a whole number of batches, about 32 MiB of input and at
// most 1/64 of the records, at least one batch.
ShardPlan plan_shards(const job::Job& job, std::int64_t records, std::size_t record_bytes);
// For the records of an open dataset.
ShardPlan plan_shards(const job::Job& job, const RecordSource& source);

}  // namespace shardmill::dataset
