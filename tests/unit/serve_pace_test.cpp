// When a thread that polls looks again.
#include <gtest/gtest.h>

#include "serve/pace.hpp"

namespace shardmill::serve {
namespace {

using namespace std::chrono_literals;

TEST(Pace, SpinsForAWhileAndThenNapsLongerAndLonger) {
  Pace pace(500us, false);
  const Pace::Clock::time_point start{1h};
  pace.note(Look::worked, start);
  EXPECT_EQ(pace.next(start + 100us, true, 1000us), 0us);
  EXPECT_EQ(pace.next(start + 499us, true, 1000us), 0us);
  for (const auto nap : {50us, 100us, 200us, 400us, 800us, 1000us, 1000us})
    EXPECT_EQ(pace.next(start + 600us, true, 1000us), nap);
  EXPECT_EQ(pace.next(start + 600us, true, 200us), 200us);  // something is expected soon
  pace.note(Look::worked, start + 1s);
  EXPECT_EQ(pace.next(start + 1s + 1us, true, 1000us), 0us);
  EXPECT_EQ(pace.next(start + 2s, true, 1000us), 50us);
}

TEST(Pace, NapsShortlyWhereItMayNotSpin) {
  Pace pace(500us, false);
  const Pace::Clock::time_point start{1h};
  pace.note(Look::worked, start);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(pace.next(start + 100us * i, false, 1000us), 50us);
  for (const auto nap : {50us, 100us, 200us}) EXPECT_EQ(pace.next(start + 500us, false, 1000us), nap);
}

TEST(Pace, WaitsForTheRing) {
  Pace pace(500us, true);
  const Pace::Clock::time_point start{1h};
  pace.note(Look::worked, start);
  EXPECT_EQ(pace.next(start + 1us, false, 1000us), 1000us);
  EXPECT_EQ(pace.next(start + 1us, true, 1000us), 0us);
  EXPECT_EQ(pace.next(start + 600us, true, 1000us), 1000us);
}

TEST(Pace, LooksOftenForWhatHasBeenAnnouncedButNotForEver) {
  Pace pace(500us, true);
  const Pace::Clock::time_point start{1h};
  pace.note(Look::announced, start);
  EXPECT_EQ(pace.next(start + 1us, false, 1000us), 50us);
  pace.note(Look::announced, start + 400us);
  EXPECT_EQ(pace.next(start + 450us, false, 1000us), 50us);
  EXPECT_EQ(pace.next(start + 550us, false, 1000us), 1000us);
  pace.note(Look::worked, start + 600us);
  EXPECT_EQ(pace.next(start + 601us, false, 1000us), 1000us);
  pace.note(Look::announced, start + 700us);
  EXPECT_EQ(pace.next(start + 701us, false, 1000us), 50us);
}

}  // namespace
}  // namespace shardmill::serve
