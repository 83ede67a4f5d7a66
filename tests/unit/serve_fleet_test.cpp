// Who runs which models, and who takes over.
#include <gmock/gmock.h>

#include "job/error.hpp"
#include "serve/fleet.hpp"

namespace shardmill::serve {
namespace {

using ::testing::ElementsAre;
using State = Fleet::State;

// "1:0,1 2:0 ": ranks and the models that they work on from now on; "+" if it was a spare.
std::string text(const std::vector<Fleet::Duty>& duties) {
  std::string out;
  for (const Fleet::Duty& duty : duties) {
    out += std::to_string(duty.rank) + (duty.steps_in ? "+:" : ":");
    for (const std::size_t model : duty.models) out += std::to_string(model);
    out += " ";
  }
  return out;
}

// Two models that share two ranks, a third with one of its own, and one spare.
class FleetTest : public ::testing::Test {
 protected:
  Fleet fleet_{{{2}, {0, 1}, {0, 1}}, 3, 4};

  void load(int rank) {
    for (const std::size_t model : fleet_.wanted(rank)) fleet_.loaded(rank, model);
  }
};

TEST(Places, OwnRanksComeFirstAndTheOthersShare) {
  job::Job job;
  job.serve.models.resize(3);
  job.serve.models[2].ranks = 1;
  job.fault_tolerance.spares = 1;
  EXPECT_THAT(places(job, 4), ElementsAre(Models{2}, Models{0, 1}, Models{0, 1}));
  EXPECT_THAT(places(job, 3), ElementsAre(Models{2}, Models{0, 1}));
  EXPECT_THROW(places(job, 2), UsageError);
  job.serve.models.resize(1);
  EXPECT_THAT(places(job, 3), ElementsAre(Models{0}, Models{0}));
  EXPECT_THAT(places(job, 1), ElementsAre(Models{0}));  // too few for the spare
}

TEST_F(FleetTest, RanksWorkWhenTheyHoldAllOfTheirPlace) {
  EXPECT_EQ(fleet_.wanted(1), (Models{2}));
  EXPECT_EQ(fleet_.wanted(2), (Models{0, 1}));
  EXPECT_EQ(fleet_.wanted(4), (Models{0, 1, 2}));
  EXPECT_EQ(fleet_.count(State::loading), 4);
  fleet_.loaded(2, 0);
  EXPECT_EQ(text(fleet_.settle().duties), "");
  fleet_.loaded(2, 1);
  EXPECT_EQ(text(fleet_.settle().duties), "2:01 ");
  EXPECT_EQ(text(fleet_.settle().duties), "");
  load(1);
  load(4);
  EXPECT_EQ(text(fleet_.settle().duties), "1:2 ");
  EXPECT_EQ(fleet_.state(4), State::spare);
  EXPECT_EQ(fleet_.state(3), State::loading);
  // A spare tries a new version first, then the ranks from the last place on.
  EXPECT_THAT(fleet_.holders(0), ElementsAre(4, 3, 2));
  EXPECT_THAT(fleet_.holders(2), ElementsAre(4, 1));
}

TEST_F(FleetTest, ASpareTakesAnyPlace) {
  for (const int rank : {1, 2, 3, 4}) load(rank);
  fleet_.settle();
  fleet_.lose(1);
  EXPECT_EQ(text(fleet_.settle().duties), "4+:2 ");
  EXPECT_EQ(fleet_.state(1), State::dead);
  EXPECT_TRUE(fleet_.wanted(1).empty());
  EXPECT_EQ(fleet_.wanted(4), (Models{0, 1, 2}));  // keeps what it holds
}

TEST_F(FleetTest, ASpareThatIsNotReadyStepsInLater) {
  for (const int rank : {1, 2, 3}) load(rank);
  fleet_.settle();
  fleet_.lose(1);
  EXPECT_TRUE(fleet_.settle().orders.empty());  // nobody else takes over: the spare is on its way
  load(4);
  EXPECT_EQ(text(fleet_.settle().duties), "4+:2 ");
}

TEST_F(FleetTest, WithoutASpareARankOfTheLargestPlaceHelpsOut) {
  for (const int rank : {1, 2, 3}) load(rank);
  fleet_.lose(4);
  fleet_.settle();
  fleet_.lose(1);
  const Fleet::Changes changes = fleet_.settle();
  ASSERT_EQ(changes.orders.size(), 1u);
  EXPECT_EQ(changes.orders[0].rank, 2);
  EXPECT_EQ(changes.orders[0].models, (Models{2}));
  EXPECT_EQ(text(changes.duties), "");  // goes on with what it has
  EXPECT_TRUE(fleet_.settle().orders.empty());
  fleet_.loaded(2, 2);
  EXPECT_EQ(text(fleet_.settle().duties), "2:012 ");
  // Another rank of a model with several leaves no place that somebody has to take.
  fleet_.lose(3);
  EXPECT_TRUE(fleet_.settle().orders.empty());
  fleet_.lose(2);
  EXPECT_EQ(fleet_.count(State::dead), 4);
  EXPECT_TRUE(fleet_.settle().orders.empty());
}

}  // namespace
}  // namespace shardmill::serve
