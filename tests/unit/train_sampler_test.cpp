#include <algorithm>
#include <functional>
#include <set>

#include <gtest/gtest.h>

#include "job/error.hpp"
#include "train/sampler.hpp"

namespace shardmill::train {
namespace {

job::Train training(std::int64_t batch, std::int64_t epochs) {
  job::Train train;
  train.global_batch_size = batch;
  train.epochs = epochs;
  train.seed = 11;
  return train;
}

std::string data_error(const std::function<void()>& call) {
  try {
    call();
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

void expect_said(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << "in: '" << message << "'";
}

std::vector<std::int64_t> batch_of(const Sampler& sampler, const job::Train& train, std::int64_t step) {
  std::vector<std::int64_t> batch;
  for (std::int64_t shard = 0; shard < train.logical_shards; ++shard) {
    const auto part = sampler.shard_records(step, shard);
    batch.insert(batch.end(), part.begin(), part.end());
  }
  return batch;
}

std::vector<std::int64_t> validation_of(const Sampler& sampler) {
  std::vector<std::int64_t> records;
  for (std::int64_t i = 0; i < sampler.validation_records(); ++i) records.push_back(sampler.validation_record(i));
  return records;
}

TEST(TrainSampler, AnEpochIsEveryRecordOnceInAnOrderOfItsOwn) {
  job::Train train = training(10, 2);
  train.drop_last = false;
  const Sampler sampler(train, 103);
  EXPECT_EQ(sampler.steps_per_epoch(), 11);
  EXPECT_EQ(sampler.total_steps(), 22);
  std::vector<std::vector<std::int64_t>> epochs(2);
  for (std::int64_t step = 0; step < sampler.total_steps(); ++step) {
    const auto batch = batch_of(sampler, train, step);
    EXPECT_EQ(static_cast<std::int64_t>(batch.size()), sampler.batch_records(step));
    auto& epoch = epochs[static_cast<std::size_t>(sampler.epoch_of(step))];
    epoch.insert(epoch.end(), batch.begin(), batch.end());
  }
  EXPECT_EQ(sampler.batch_records(10), 3);
  EXPECT_EQ(sampler.batch_records(21), 3);
  EXPECT_NE(epochs[0], epochs[1]);
  for (auto& epoch : epochs) {
    EXPECT_FALSE(std::is_sorted(epoch.begin(), epoch.end()));
    std::sort(epoch.begin(), epoch.end());
    ASSERT_EQ(epoch.size(), 103U);
    for (std::int64_t i = 0; i < 103; ++i) EXPECT_EQ(epoch[static_cast<std::size_t>(i)], i);
  }
}

TEST(TrainSampler, DropLastLeavesTheRestOut) {
  const Sampler sampler(training(10, 3), 109);
  EXPECT_EQ(sampler.steps_per_epoch(), 10);
  EXPECT_EQ(sampler.total_steps(), 30);
  for (std::int64_t step = 0; step < 30; ++step) EXPECT_EQ(sampler.batch_records(step), 10);
  EXPECT_EQ(sampler.epoch_of(9), 0);
  EXPECT_EQ(sampler.epoch_of(10), 1);
}

TEST(TrainSampler, StepsInsteadOfEpochs) {
  job::Train train = training(10, 0);
  train.epochs.reset();
  train.steps = 25;
  const Sampler sampler(train, 100);
  EXPECT_EQ(sampler.total_steps(), 25);
  EXPECT_EQ(sampler.epoch_of(24), 2);
}

TEST(TrainSampler, TheBatchIsTheSameForAnyNumberOfShards) {
  job::Train train = training(30, 1);
  std::vector<std::int64_t> expected;
  for (const std::int64_t shards : {1, 2, 7, 8, 30, 64}) {
    train.logical_shards = shards;
    const Sampler sampler(train, 100);
    const auto batch = batch_of(sampler, train, 1);
    if (expected.empty()) expected = batch;
    EXPECT_EQ(batch, expected) << shards;
    for (std::int64_t shard = 0; shard < shards; ++shard) {
      const auto size = static_cast<std::int64_t>(sampler.shard_records(1, shard).size());
      EXPECT_TRUE(size == 30 / shards || size == (30 + shards - 1) / shards) << shards << ": " << size;
    }
  }
}

TEST(TrainSampler, AShareForValidationIsNeverTrainedOn) {
  job::Train train = training(7, 1);
  train.drop_last = false;
  train.split.validation = 0.2;
  const Sampler sampler(train, 101);
  EXPECT_EQ(sampler.validation_records(), 20);
  EXPECT_EQ(sampler.train_records(), 81);
  const auto validation = validation_of(sampler);
  std::set<std::int64_t> all(validation.begin(), validation.end());
  EXPECT_EQ(all.size(), 20U);
  EXPECT_GT(*all.rbegin(), 50);  // not just the first ones
  for (std::int64_t step = 0; step < sampler.total_steps(); ++step)
    for (const std::int64_t record : batch_of(sampler, train, step)) EXPECT_TRUE(all.insert(record).second) << record;
  EXPECT_EQ(all.size(), 101U);
  EXPECT_EQ(*all.rbegin(), 100);

  // The split has a seed of its own: another order of training leaves it as it is, another split changes it.
  train.seed = 12;
  EXPECT_EQ(validation_of(Sampler(train, 101)), validation);
  train.split.seed = 1;
  EXPECT_NE(validation_of(Sampler(train, 101)), validation);
}

TEST(TrainSampler, AMaskSelectsTheValidationRecords) {
  job::Train train = training(2, 1);
  train.split.mask = "held_out";
  const std::vector<double> mask = {0, 1, 0, 0, 2, 0};
  const Sampler sampler(train, 6, &mask);
  EXPECT_EQ(validation_of(sampler), (std::vector<std::int64_t>{1, 4}));
  std::set<std::int64_t> trained;
  for (std::int64_t step = 0; step < sampler.total_steps(); ++step)
    for (const std::int64_t record : batch_of(sampler, train, step)) trained.insert(record);
  EXPECT_EQ(trained, (std::set<std::int64_t>{0, 2, 3, 5}));
}

TEST(TrainSampler, SequencesCountBlocksWithOneTokenMore) {
  job::Train train = training(1, 1);
  EXPECT_EQ(record_count(train, 100), 100);
  train.sequence = 10;
  EXPECT_EQ(record_count(train, 0), 0);
  EXPECT_EQ(record_count(train, 10), 0);
  EXPECT_EQ(record_count(train, 11), 1);
  EXPECT_EQ(record_count(train, 100), 9);
  EXPECT_EQ(record_count(train, 101), 10);
}

TEST(TrainSampler, SaysWhatDoesNotWork) {
  job::Train train = training(10, 1);
  expect_said(data_error([&] { Sampler(train, 0); }), "no records");
  expect_said(data_error([&] { Sampler(train, 9); }), "global batch of 10 records is larger than the 9 records");
  train.drop_last = false;
  EXPECT_EQ(Sampler(train, 9).batch_records(0), 9);
  train.split.validation = 0.01;
  expect_said(data_error([&] { Sampler(train, 9); }), "selects none");
  train.split.validation = 0.99;
  expect_said(data_error([&] { Sampler(train, 9); }), "nothing is left to train on");
  train.split.validation = 0;
  train.epochs = std::int64_t{1} << 62;
  expect_said(data_error([&] { Sampler(train, 100); }), "more steps than can be counted");
  train.epochs = 1;
  train.split.mask = "m";
  const std::vector<double> none(9, 0);
  const std::vector<double> all(9, 1);
  const std::vector<double> longer(10, 1);
  expect_said(data_error([&] { Sampler(train, 9, &none); }), "mask 'm' is 0 everywhere");
  expect_said(data_error([&] { Sampler(train, 9, &all); }), "nothing is left to train on");
  expect_said(data_error([&] { Sampler(train, 9, &longer); }), "has 10 values, but there are 9 records");
  train.split.mask.reset();
  train.sequence = 8;
  expect_said(data_error([&] { Sampler(train, record_count(train, 8)); }), "shorter than one block of 8 tokens");
}

}  // namespace
}  // namespace shardmill::train
