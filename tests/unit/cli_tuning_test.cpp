#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "cli/tuning.hpp"

namespace shardmill::cli {
namespace {

TEST(Tuning, TriesTheJobsOwnSettingFirstAndNoneTwice) {
  const auto settings = settings_to_try({64, 2}, 4);
  EXPECT_EQ(settings.front().batch_size, 64);
  EXPECT_EQ(settings.front().threads_per_rank, 2);
  std::set<std::pair<std::int64_t, int>> seen;
  for (const Setting& setting : settings)
    EXPECT_TRUE(seen.insert({setting.batch_size, setting.threads_per_rank}).second);
  EXPECT_EQ(seen.size(), 15U);  // 16, 32, 64, 128, 256 with 1, 2 and 4 threads
  EXPECT_TRUE(seen.contains({256, 4}));
}

TEST(Tuning, ThreadsStayWhereTheyAreNotFree) {
  for (const Setting& setting : settings_to_try({8, 3}, 0)) EXPECT_EQ(setting.threads_per_rank, 3);
}

TEST(Tuning, BatchesStayWithinReason) {
  for (const Setting& setting : settings_to_try({1, 1}, 1)) EXPECT_GE(setting.batch_size, 1);
  for (const Setting& setting : settings_to_try({4096, 1}, 1)) EXPECT_LE(setting.batch_size, 4096);
  EXPECT_EQ(settings_to_try({100'000, 1}, 1).front().batch_size, 100'000);
}

TEST(Tuning, ResultsMayDifferByRounding) {
  EXPECT_TRUE(equal_results({1, 1000, NAN}, {1.001, 1000.009, NAN}, true));
  EXPECT_FALSE(equal_results({1, 1000}, {1, 1000.1}, true));
  EXPECT_TRUE(equal_results({1, 1000}, {1, 1001}, false));
  EXPECT_FALSE(equal_results({1, 1000}, {1, 1000, 1}, true));
  EXPECT_FALSE(equal_results({1, NAN}, {1, 2}, true));
  EXPECT_TRUE(equal_results({INFINITY}, {INFINITY}, true));
}

TEST(Tuning, TheBestHasNoProblem) {
  const std::vector<Tried> tried{{{8, 1}, 2, 100, ""}, {{16, 1}, 2, 500, "other results"}, {{32, 1}, 2, 300, ""}};
  EXPECT_EQ(best_of(tried).setting.batch_size, 32);
  EXPECT_EQ(to_overrides(best_of(tried).setting),
            (std::vector<std::string>{"batch_size=32", "resources.threads_per_rank=1"}));
}

}  // namespace
}  // namespace shardmill::cli
