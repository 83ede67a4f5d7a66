#include <thread>

#include <gtest/gtest.h>

#include "train/desk.hpp"

namespace shardmill::train {
namespace {

void wait_for_standing(const Desk& desk) {
  while (!desk.standing()) std::this_thread::yield();
}

TEST(Desk, AWorkerThatWaitsForADealIsNotBusyAndOneThatHasItIs) {
  Desk desk;
  std::optional<comm::Deal> got;
  std::thread worker([&] { got = desk.regroup({}); });
  wait_for_standing(desk);
  EXPECT_FALSE(desk.busy());
  comm::Deal deal;
  deal.generation = 7;
  desk.deal(deal);
  worker.join();
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->generation, 7U);
  EXPECT_TRUE(desk.busy());
}

// A rank that is taken for busy leaves without MPI_Finalize, which an mpirun without fault tolerance takes for a death.
TEST(Desk, AfterTheEndTheWorkerIsNotBusyEvenIfItWokeFirst) {
  Desk desk;
  std::thread worker([&] { EXPECT_FALSE(desk.regroup({}).has_value()); });
  wait_for_standing(desk);
  desk.end();
  worker.join();
  EXPECT_FALSE(desk.busy());
}

TEST(Desk, WhoEndsBeforeTheWorkerAsksIsNotWaitedForEither) {
  Desk desk;
  desk.end();
  EXPECT_FALSE(desk.regroup({}).has_value());
  EXPECT_FALSE(desk.busy());
}

}  // namespace
}  // namespace shardmill::train
