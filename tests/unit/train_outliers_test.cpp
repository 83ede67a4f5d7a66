#include <limits>

#include <gtest/gtest.h>

#include "job/error.hpp"
#include "train/outliers.hpp"

namespace shardmill::train {
namespace {

job::SkipOutliers rule(double z_score, std::int64_t window) {
  job::SkipOutliers made;
  made.z_score = z_score;
  made.window = window;
  return made;
}

// Losses 1, 3, 1, 3: mean 2, standard deviation 1. Norms 10, 10.2, ...: mean 10.1, deviation 0.1.
void fill(Outliers& outliers, int steps) {
  for (int i = 0; i < steps; ++i) EXPECT_FALSE(outliers.skip(i % 2 == 0 ? 1 : 3, i % 2 == 0 ? 10 : 10.2)) << i;
}

TEST(TrainOutliers, ALossOrANormFarAboveTheMeanIsSkipped) {
  Outliers outliers(rule(3, 10));
  fill(outliers, 10);
  EXPECT_TRUE(outliers.skip(5.01, 10));
  EXPECT_TRUE(outliers.skip(1, 10.41));
  EXPECT_FALSE(outliers.skip(-100, 0)) << "far below is no reason";
}

TEST(TrainOutliers, ExactlyAtTheScoreIsTaken) {
  Outliers outliers(rule(3, 10));
  fill(outliers, 10);
  EXPECT_FALSE(outliers.skip(4.99, 10.39));
}

TEST(TrainOutliers, SkippedStepsDoNotCount) {
  Outliers outliers(rule(3, 10));
  fill(outliers, 10);
  const OutlierState before = outliers.state();
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(outliers.skip(100, 10));
  EXPECT_EQ(outliers.state(), before);
}

TEST(TrainOutliers, NothingIsSkippedBeforeTheWindowIsFullButWhatIsNotFinite) {
  Outliers outliers(rule(3, 10));
  fill(outliers, 8);
  EXPECT_TRUE(outliers.skip(std::numeric_limits<double>::quiet_NaN(), 1));
  EXPECT_TRUE(outliers.skip(1, std::numeric_limits<double>::infinity()));
  EXPECT_FALSE(outliers.skip(1000, 1000));
  EXPECT_EQ(outliers.state().losses.size(), 9U);
}

TEST(TrainOutliers, TheWindowMovesOn) {
  Outliers outliers(rule(3, 4));
  for (const double loss : {1000, 3, 1, 3, 1}) EXPECT_FALSE(outliers.skip(loss, 1));
  EXPECT_EQ(outliers.state().losses, (std::vector<double>{3, 1, 3, 1}));
  EXPECT_TRUE(outliers.skip(900, 1));
}

TEST(TrainOutliers, WithoutSpreadNothingIsFar) {
  Outliers outliers(rule(3, 4));
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(outliers.skip(0.1, 0.1));
  EXPECT_FALSE(outliers.skip(0.2, 0.2));
}

TEST(TrainOutliers, ARestoredOneDecidesTheSame) {
  Outliers outliers(rule(1.5, 5));
  Outliers restored(rule(1.5, 5));
  unsigned random = 1;
  int skipped = 0;
  for (int i = 0; i < 200; ++i) {
    random = random * 1664525 + 1013904223;
    const double loss = random / 4294967296.0;
    restored.restore(outliers.state());
    const bool skip = outliers.skip(loss, 1 - loss);
    EXPECT_EQ(restored.skip(loss, 1 - loss), skip);
    skipped += skip ? 1 : 0;
  }
  EXPECT_GT(skipped, 5);
}

TEST(TrainOutliers, RestoresTheNewestOfALongerWindow) {
  Outliers outliers(rule(3, 2));
  outliers.restore({{1, 2, 3}, {4, 5, 6}});
  EXPECT_EQ(outliers.state(), (OutlierState{{2, 3}, {5, 6}}));
  EXPECT_THROW(outliers.restore({{1}, {}}), StoreError);
}

}  // namespace
}  // namespace shardmill::train
