// The factor of the loss in float16, and that it is a part of a run's state.
#include <gtest/gtest.h>

#include "train/course.hpp"
#include "train/loss_scale.hpp"

namespace shardmill::train {
namespace {

TEST(TrainLossScale, IsHalvedAtOnceAndDoubledAfterManyGoodSteps) {
  LossScale scale;
  EXPECT_EQ(scale.factor, 65'536);
  scale.note(false);
  EXPECT_EQ(scale.factor, 32'768);
  for (int i = 0; i < 1999; ++i) scale.note(true);
  EXPECT_EQ(scale.factor, 32'768);
  scale.note(true);
  EXPECT_EQ(scale.factor, 65'536);
  EXPECT_EQ(scale.steps, 0);
  for (int i = 0; i < 1999; ++i) scale.note(true);
  scale.note(false);
  EXPECT_EQ(scale.factor, 32'768);
  EXPECT_EQ(scale.steps, 0) << "a bad step begins the count anew";
}

TEST(TrainLossScale, IsNeverBelowOne) {
  LossScale scale;
  EXPECT_FALSE(scale.is_least());
  for (int i = 0; i < 100; ++i) scale.note(false);
  EXPECT_EQ(scale.factor, 1);
  EXPECT_TRUE(scale.is_least());
}

TEST(TrainLossScale, IsAPartOfTheCourse) {
  Course course;
  course.step = 7;
  course.loss_scale = {4096, 12};
  const Course read = from_json(to_json(course));
  EXPECT_EQ(read, course);
  EXPECT_EQ(read.loss_scale.factor, 4096);
}

}  // namespace
}  // namespace shardmill::train
