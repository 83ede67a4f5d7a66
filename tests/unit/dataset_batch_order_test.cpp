#include <numeric>

#include <gtest/gtest.h>

#include "dataset/batch_order.hpp"
#include "dataset/shard_plan.hpp"
#include "dataset_files.hpp"
#include "job/error.hpp"

namespace shardmill::dataset {
namespace {

using namespace test;
using Values = std::vector<std::int64_t>;

// Five records of four tokens and their masks, two numbers an entry of `pairs`, and a number a record.
class BatchOrderTest : public testing::Test {
 protected:
  BatchOrderTest() {
    const auto file = create_file(folder_ / "x.h5");
    write(file.get(), "ids", {5, 4}, H5T_STD_I32LE, H5T_NATIVE_INT32,
          std::vector<std::int32_t>{7, 7, 0, 0, 7, 7, 7, 0, 7, 0, 0, 0, 0, 0, 0, 0, 7, 0, 7, 0});
    write(file.get(), "mask", {5, 4}, H5T_STD_U8LE, H5T_NATIVE_UINT8,
          std::vector<std::uint8_t>{1, 1, 0, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1});
    write(file.get(), "pairs", {5, 2}, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, counting<float>(10));
    write(file.get(), "number", {5}, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, counting<float>(5));
    job_.batch_size = 2;
    job_.batch_by = job::BatchBy::length;
  }
  BatchOrder order(const std::vector<std::string>& inputs) {
    job_.dataset = dataset_of(folder_ / "x.h5", inputs);
    source_ = open_source(job_.dataset);
    return {job_, *source_};
  }

  TempFolder folder_;
  job::Job job_;
  std::unique_ptr<RecordSource> source_;
};

TEST_F(BatchOrderTest, TheLongestComeFirstAndEquallyLongOnesAsTheyStand) {
  const BatchOrder order = this->order({"ids"});
  ASSERT_TRUE(order.by_length());
  const BatchOrder::Shard shard = order.of(*source_, 0, 5);
  EXPECT_EQ(shard.rows, (Values{1, 4, 0, 2, 3}));
  EXPECT_EQ(shard.lengths, (Values{3, 3, 2, 1, 1}));  // of nothing but padding: 1
}

TEST_F(BatchOrderTest, TheLongestOverAllInputsCounts) {
  const BatchOrder order = this->order({"ids", "mask"});
  EXPECT_EQ(order.of(*source_, 0, 5).lengths, (Values{4, 3, 2, 1, 1}));
}

TEST_F(BatchOrderTest, OneInputMayBeNamed) {
  job_.length_from = "mask";
  const BatchOrder order = this->order({"ids", "mask", "pairs", "number"});
  const BatchOrder::Shard shard = order.of(*source_, 0, 5);
  EXPECT_EQ(shard.rows, (Values{4, 0, 1, 2, 3}));
  EXPECT_EQ(shard.lengths, (Values{4, 2, 2, 1, 1}));
  EXPECT_TRUE(order.is_cut(0));
  EXPECT_TRUE(order.is_cut(1));
  EXPECT_FALSE(order.is_cut(2));  // has two entries a record, not four
  EXPECT_FALSE(order.is_cut(3));
}

TEST_F(BatchOrderTest, EachShardIsSortedByItself) {
  const BatchOrder order = this->order({"ids"});
  EXPECT_EQ(order.of(*source_, 2, 3).rows, (Values{2, 0, 1}));
  EXPECT_EQ(order.of(*source_, 3, 1).lengths, (Values{1}));
  EXPECT_TRUE(order.of(*source_, 3, 0).rows.empty());
}

TEST_F(BatchOrderTest, EntriesOfSeveralNumbersEndWithTheLastThatIsNotZero) {
  const BatchOrder order = this->order({"pairs"});
  EXPECT_EQ(order.of(*source_, 0, 5).lengths, (Values{2, 2, 2, 2, 2}));
}

TEST_F(BatchOrderTest, ByOrderThereIsNothingToDo) {
  job_.batch_by = job::BatchBy::order;
  EXPECT_FALSE(order({"number"}).by_length());
  EXPECT_EQ(rows_at(job_, 0, 5, {3, 1}), (Values{3, 1}));
}

TEST_F(BatchOrderTest, RowsOfPlaces) {
  order({"ids"});
  EXPECT_EQ(rows_at(job_, 0, 5, {0, 4, 2}), (Values{1, 3, 0}));
}

TEST_F(BatchOrderTest, SingleNumbersHaveNoLength) {
  EXPECT_THROW(order({"number"}), LengthError);
  job_.length_from = "number";
  EXPECT_THROW(order({"ids", "number"}), LengthError);
}

TEST_F(BatchOrderTest, ShardsHoldEnoughBatchesToSort) {
  job_.batch_size = 32;
  EXPECT_EQ(plan_shards(job_, 1'000'000, 100).shard_size(), 15'616);  // as without: 64 shards and one
  EXPECT_EQ(plan_shards(job_, 8'000, 100).shard_size(), 512);         // 16 batches
  EXPECT_EQ(plan_shards(job_, 800, 100).shard_size(), 96);            // an eighth
  EXPECT_EQ(plan_shards(job_, 100, 100).shard_size(), 32);
  job_.batch_by = job::BatchBy::order;
  EXPECT_EQ(plan_shards(job_, 8'000, 100).shard_size(), 96);
}

}  // namespace
}  // namespace shardmill::dataset
