// Who is woken by a ring, and who is not.
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

#include "comm/bell.hpp"

namespace shardmill::comm {
namespace {

using namespace std::chrono_literals;
using Rung = Bell::Rung;
using Clock = std::chrono::steady_clock;

constexpr auto until_rung = std::chrono::microseconds(60s);  // far longer than any machine takes

std::string group(const std::string& name) { return name + "-" + std::to_string(::getpid()); }

TEST(Bell, AThreadWakesTheOneThatWaits) {
  Bell bell;
  std::thread other([&] {
    std::this_thread::sleep_for(20ms);
    bell.ring();
  });
  EXPECT_EQ(bell.wait(until_rung), Rung::here);
  other.join();
}

TEST(Bell, ARingIsNotLostAndCountsOnce) {
  Bell bell;
  bell.ring();
  bell.ring();
  EXPECT_EQ(bell.wait(until_rung), Rung::here);
  EXPECT_EQ(bell.wait(0us), Rung::nobody);
  bell.ring();
  EXPECT_EQ(bell.wait(until_rung), Rung::here);
}

TEST(Bell, WaitsNoLongerThanItIsTold) {
  Bell bell;
  const auto begin = Clock::now();
  EXPECT_EQ(bell.wait(3ms), Rung::nobody);
  EXPECT_GE(Clock::now() - begin, 3ms);
  EXPECT_EQ(bell.wait(-1us), Rung::nobody);
}

TEST(Bell, WhoWaitsForOtherThingsTooTakesTheRings) {
  Bell first(group("f"), 0);
  Bell second(group("f"), 1);
  EXPECT_GE(second.descriptor(), 0);
  EXPECT_FALSE(second.take());
  first.ring(1);
  first.ring(1);
  EXPECT_TRUE(second.take());
  EXPECT_FALSE(second.take());
  EXPECT_EQ(second.wait(0us), Rung::nobody);
  Bell alone;
  EXPECT_EQ(alone.descriptor(), -1);
  EXPECT_FALSE(alone.take());
}

TEST(Bell, RanksOfAGroupRingEachOther) {
  Bell first(group("a"), 0);
  Bell second(group("a"), 1);
  Bell stranger(group("b"), 1);
  first.ring(1);
  EXPECT_EQ(second.wait(until_rung), Rung::peer);
  EXPECT_EQ(second.wait(0us), Rung::nobody);
  EXPECT_EQ(stranger.wait(0us), Rung::nobody);
  second.ring();
  first.ring(1);
  EXPECT_EQ(second.wait(until_rung), Rung::here);
  EXPECT_EQ(second.wait(0us), Rung::nobody);
}

TEST(Bell, ReachesOnlyWhoIsThere) {
  Bell first(group("c"), 0);
  EXPECT_FALSE(first.reaches(1));
  {
    Bell late(group("c"), 1);
    EXPECT_FALSE(first.reaches(1)) << "who was not there before MPI started is on another host";
  }
  Bell nobody;
  EXPECT_FALSE(nobody.reaches(0));
  Bell unnamed("", 0);
  EXPECT_FALSE(unnamed.reaches(0));
}

TEST(Bell, WhoHasDiedIsNoErrorAndNoWait) {
  Bell first(group("d"), 0);
  {
    Bell dies(group("d"), 1);
    EXPECT_TRUE(first.reaches(1));
  }
  EXPECT_FALSE(first.reaches(1));
  first.ring(1);
}

TEST(Bell, WhoDoesNotListenHoldsNobodyUp) {
  Bell first(group("e"), 0);
  Bell stopped(group("e"), 1);
  for (int i = 0; i < 10'000; ++i) EXPECT_TRUE(first.reaches(1));
  EXPECT_EQ(stopped.wait(until_rung), Rung::peer);
  EXPECT_EQ(stopped.wait(0us), Rung::nobody);
}

TEST(Bell, LongNamesAreToldApartByTheirEnds) {
  const std::string prefix(200, 'x');
  Bell first(prefix + group("1"), 0);
  Bell second(prefix + group("1"), 1);
  Bell other(prefix + group("2"), 1);
  first.ring(1);
  EXPECT_EQ(other.wait(0us), Rung::nobody);
  EXPECT_EQ(second.wait(until_rung), Rung::peer);
}

}  // namespace
}  // namespace shardmill::comm
