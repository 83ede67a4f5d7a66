#include <gtest/gtest.h>

#include "infer/ask_ahead.hpp"

namespace shardmill::infer {
namespace {

using std::chrono::milliseconds;

const std::chrono::steady_clock::time_point start{std::chrono::hours(1)};

TEST(AskAhead, ThreeLeasesDoUntilTheModelHasRunDry) { EXPECT_EQ(AskAhead().slots(), 3); }

TEST(AskAhead, ShortShardsThatRunDryAreAskedForTwiceAsManyUpToALimit) {
  AskAhead ask;
  EXPECT_FALSE(ask.ran_dry(3, start));  // since when, is not known yet
  std::int64_t computed = 3;
  auto now = start;
  for (const int slots : {6, 12, 24, 48, 96, 192, 256}) {
    computed += ask.slots();
    EXPECT_TRUE(ask.ran_dry(computed, now += milliseconds(5)));
    EXPECT_EQ(ask.slots(), slots);
  }
  computed += ask.slots();
  EXPECT_FALSE(ask.ran_dry(computed, now += milliseconds(5)));
  EXPECT_EQ(ask.slots(), AskAhead::most);
}

TEST(AskAhead, LeasesThatComeOneByOneCountTogether) {
  AskAhead ask;
  static_cast<void>(ask.ran_dry(3, start));
  EXPECT_FALSE(ask.ran_dry(4, start + milliseconds(1)));
  EXPECT_FALSE(ask.ran_dry(5, start + milliseconds(2)));
  EXPECT_TRUE(ask.ran_dry(6, start + milliseconds(3)));
}

TEST(AskAhead, LongShardsAreNotHoarded) {
  AskAhead ask;
  static_cast<void>(ask.ran_dry(3, start));
  for (int i = 1; i < 100; ++i) EXPECT_FALSE(ask.ran_dry(3 + 3 * i, start + i * milliseconds(150)));
}

TEST(AskAhead, OnceInAWhileIsNotEnough) {
  AskAhead ask;
  static_cast<void>(ask.ran_dry(3, start));
  EXPECT_FALSE(ask.ran_dry(1000, start + milliseconds(100)));
  EXPECT_TRUE(ask.ran_dry(1003, start + milliseconds(101)));
}

}  // namespace
}  // namespace shardmill::infer
