#include <vector>

#include <gtest/gtest.h>

#include "train/schedule.hpp"

namespace shardmill::train {
namespace {

// tests/interop/check_training_numerics.py compares all of them with PyTorch's schedulers; here are the corners.
std::vector<double> rates(const job::Schedule& schedule, std::int64_t total) {
  job::Optimizer optimizer;
  optimizer.learning_rate = 2;
  std::vector<double> all;
  for (std::int64_t step = 0; step < total; ++step) all.push_back(learning_rate(optimizer, schedule, step, total));
  return all;
}

void expect_near(const std::vector<double>& got, const std::vector<double>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-12) << i;
}

TEST(TrainSchedule, Constant) { expect_near(rates({}, 3), {2, 2, 2}); }

TEST(TrainSchedule, WarmUpReachesThePeakAndHandsOver) {
  job::Schedule schedule;
  schedule.warmup_steps = 4;
  expect_near(rates(schedule, 6), {0.5, 1, 1.5, 2, 2, 2});
  schedule.type = job::ScheduleType::linear;
  expect_near(rates(schedule, 7), {0.5, 1, 1.5, 2, 2, 1, 0});
}

TEST(TrainSchedule, StepsCountFromTheEndOfTheWarmUp) {
  job::Schedule schedule;
  schedule.type = job::ScheduleType::step;
  schedule.step_every = 2;
  schedule.step_factor = 0.5;
  expect_near(rates(schedule, 5), {2, 2, 1, 1, 0.5});
  schedule.warmup_steps = 1;
  expect_near(rates(schedule, 5), {2, 2, 2, 1, 1});
}

TEST(TrainSchedule, FinalFactorIsReachedAtTheLastStepAndHeld) {
  for (const auto type : {job::ScheduleType::cosine, job::ScheduleType::linear, job::ScheduleType::one_cycle}) {
    job::Schedule schedule;
    schedule.type = type;
    schedule.final_factor = 0.25;
    schedule.warmup_steps = 3;
    EXPECT_NEAR(rates(schedule, 50).back(), 0.5, 1e-12);
    job::Optimizer optimizer;
    optimizer.learning_rate = 2;
    EXPECT_NEAR(learning_rate(optimizer, schedule, 80, 50), 0.5, 1e-12);
  }
}

TEST(TrainSchedule, CosineIsHalfWayInTheMiddle) {
  job::Schedule schedule;
  schedule.type = job::ScheduleType::cosine;
  expect_near(rates(schedule, 3), {2, 1, 0});
}

TEST(TrainSchedule, OneCycleBeginsLowAndPeaks) {
  job::Schedule schedule;
  schedule.type = job::ScheduleType::one_cycle;
  const auto all = rates(schedule, 100);
  EXPECT_NEAR(all[0], 0.08, 1e-12);
  EXPECT_NEAR(all[29], 2, 1e-12);
  EXPECT_NEAR(all[99], 0, 1e-12);
}

TEST(TrainSchedule, OneStepAloneIsThePeak) {
  for (const auto type : {job::ScheduleType::constant, job::ScheduleType::cosine, job::ScheduleType::linear,
                          job::ScheduleType::one_cycle}) {
    job::Schedule schedule;
    schedule.type = type;
    expect_near(rates(schedule, 1), {2});
  }
  job::Schedule schedule;
  schedule.type = job::ScheduleType::one_cycle;
  schedule.peak_at = 0.1;  // with ten steps the peak is the first
  EXPECT_NEAR(rates(schedule, 10)[0], 2, 1e-12);
}

TEST(TrainSchedule, AWarmUpLongerThanTheTrainingIsCut) {
  job::Schedule schedule;
  schedule.type = job::ScheduleType::cosine;
  schedule.warmup_steps = 10;
  expect_near(rates(schedule, 3), {0.2, 0.4, 0.6});
}

}  // namespace
}  // namespace shardmill::train
