#include <limits>

#include <gtest/gtest.h>

#include "dataset/shard_plan.hpp"
#include "job/error.hpp"

namespace shardmill::dataset {
namespace {

TEST(DatasetShardPlan, EdgesOfTheRanges) {
  EXPECT_EQ(ShardPlan(0, 8).shards(), 0);
  EXPECT_EQ(ShardPlan(1, 8).shards(), 1);
  EXPECT_EQ(ShardPlan(1, 8).count(0), 1);
  EXPECT_EQ(ShardPlan(16, 8).shards(), 2);
  EXPECT_EQ(ShardPlan(16, 8).count(1), 8);
  const ShardPlan plan(17, 8);
  EXPECT_EQ(plan.shards(), 3);
  EXPECT_EQ(plan.first(2), 16);
  EXPECT_EQ(plan.count(2), 1);
  const ShardPlan huge(std::numeric_limits<std::int64_t>::max(), 1 << 20);
  EXPECT_EQ(huge.first(huge.shards() - 1) + huge.count(huge.shards() - 1), huge.records());
}

TEST(DatasetShardPlan, ChecksWhatItIsGiven) {
  EXPECT_THROW(ShardPlan(-1, 8), CheckFailure);
  EXPECT_THROW(ShardPlan(1, 0), CheckFailure);
  EXPECT_THROW(static_cast<void>(ShardPlan(1, 8).count(1)), CheckFailure);
  EXPECT_THROW(static_cast<void>(ShardPlan(0, 8).count(0)), CheckFailure);
  EXPECT_THROW(static_cast<void>(ShardPlan(1, 8).count(-1)), CheckFailure);
}

TEST(DatasetShardPlan, ShardsCoverEveryRecordOnce) {
  for (std::int64_t records = 0; records < 60; ++records)
    for (std::int64_t size = 1; size < 20; ++size) {
      const ShardPlan plan(records, size);
      std::int64_t next = 0;
      for (std::int64_t shard = 0; shard < plan.shards(); ++shard) {
        ASSERT_EQ(plan.first(shard), next);
        ASSERT_GE(plan.count(shard), 1);
        next += plan.count(shard);
      }
      ASSERT_EQ(next, records);
    }
}

TEST(DatasetShardPlan, TheJobsSizeWins) {
  job::Job job;
  job.batch_size = 32;
  job.shard_size = 7;
  EXPECT_EQ(plan_shards(job, 1000, 4), ShardPlan(1000, 7));
}

TEST(DatasetShardPlan, SizeFromTheDatasetAlone) {
  job::Job job;
  job.batch_size = 32;
  EXPECT_EQ(plan_shards(job, 1'000'000, 150'528).shard_size(), 192);  // 32 MiB are 222 records: 6 batches
  EXPECT_EQ(plan_shards(job, 10'000, 64).shard_size(), 128);          // a 64th is 156 records: 4 batches
  EXPECT_EQ(plan_shards(job, 100, 64).shard_size(), 32);              // never less than a batch
  EXPECT_EQ(plan_shards(job, 0, 64).shards(), 0);
  EXPECT_EQ(plan_shards(job, 1, std::size_t{1} << 40).shards(), 1);
  EXPECT_EQ(plan_shards(job, 1'000'000, 0).shard_size(), 15'616);
}

TEST(DatasetShardPlan, ByLengthShardsAreLargerAndNearlyAlike) {
  job::Job job;
  job.batch_size = 32;
  job.batch_by = job::BatchBy::length;
  EXPECT_EQ(plan_shards(job, 4000, 64), ShardPlan(4000, 512));  // an eighth is 15.6 batches: not 8 shards and a third
  EXPECT_EQ(plan_shards(job, 3800, 64), ShardPlan(3800, 480));
  EXPECT_EQ(plan_shards(job, 100, 64), ShardPlan(100, 32));
  EXPECT_EQ(plan_shards(job, 100'000, 64), ShardPlan(100'000, 1568));
}

TEST(DatasetShardPlan, DependsOnNothingElse) {
  job::Job job;
  job.batch_size = 16;
  const ShardPlan plan = plan_shards(job, 123'457, 784);
  job.resources.ranks = 99;
  job.resources.threads_per_rank = 5;
  job.name = "other";
  job.model.device = job::Device::cuda;
  job.fault_tolerance.max_attempts = 1;
  EXPECT_EQ(plan_shards(job, 123'457, 784), plan);
}

}  // namespace
}  // namespace shardmill::dataset
