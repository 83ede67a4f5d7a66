// The optimizer's state cut among ranks that are threads here: however they change, it is that of one rank.
#include <array>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "job/error.hpp"
#include "rank_threads.hpp"
#include "train/optimizer_shards.hpp"

namespace shardmill::train {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::int64_t count = 7 * chunk_elements + 1000;
constexpr std::int64_t decayed = 3 * chunk_elements + 48;

TEST(MovesBetween, SendsWhatIsLackingFromTheFirstThatHasIt) {
  using Held = std::vector<std::vector<Slice>>;
  EXPECT_THAT(moves_between(Held{{{0, 10}}, {}}, Held{{{0, 5}}, {{5, 10}}}),
              ElementsAre(Move{0, 0, {0, 5}}, Move{0, 1, {5, 10}}));
  EXPECT_THAT(moves_between(Held{{{0, 4}}, {{4, 8}, {0, 4}}, {{4, 8}}}, Held{{}, {}, {{2, 8}}}),
              ElementsAre(Move{0, 2, {2, 4}}, Move{2, 2, {4, 8}}));
  EXPECT_THAT(moves_between(Held{{{0, 4}}}, Held{{}}), IsEmpty());
  EXPECT_THROW(moves_between(Held{{{0, 4}}, {{6, 8}}}, Held{{}, {{2, 8}}}), RankLost);
}

job::Optimizer rules() {
  job::Optimizer rules;
  rules.type = job::OptimizerType::adamw;
  rules.learning_rate = 0.01;
  rules.weight_decay = 0.1;
  return rules;
}

at::Tensor gradient(std::int64_t step) {
  at::manual_seed(static_cast<std::uint64_t>(step));
  return at::randn({count});
}

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  return a.nbytes() == b.nbytes() && std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()) == 0;
}

// A world of ranks, each with its part of the state and all of the parameters.
class Shards : public ::testing::Test {
 protected:
  struct Rank {
    OptimizerShards shards{rules(), count, decayed, at::kCPU};
    at::Tensor parameters = at::ones({count});
  };

  void SetUp() override {
    for (auto& rank : ranks_) rank = std::make_unique<Rank>();
    ranks_[0]->shards.whole();
    alone_ = FlatOptimizer(rules(), count, decayed, at::kCPU);
    alone_parameters_ = at::ones({count});
  }

  // What each of these ranks does as a member of a deal.
  // doomed: one that dies after so many exchanges.
  void each(const std::vector<int>& members, const std::function<void(Rank&, Desk&, const Members&)>& what,
            int doomed = -1, int lives = 0) {
    Post post;
    comm::Deal deal;
    deal.members.assign(members.begin(), members.end());
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < members.size(); ++i) {
      threads.emplace_back([&, i] {
        Desk desk;
        desk.deal(deal);
        const Clerk clerk(post, members[i], desk, members[i] == doomed ? lives : 1 << 20);
        what(*ranks_[static_cast<std::size_t>(members[i])], desk, {members, i});
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  // Spreads the state over these, takes a step, and compares with one rank that holds everything.
  void go_on(const std::vector<int>& members) {
    const at::Tensor step_gradient = gradient(alone_.steps());
    const at::Tensor before = alone_parameters_.clone();
    alone_.step(alone_parameters_, step_gradient, 0.01, 0.5, 0, count);
    const std::vector<Slice> slices = optimizer_slices(count, members.size());
    each(members, [&](Rank& rank, Desk& desk, const Members& group) {
      rank.shards.set_steps(alone_.steps() - 1);  // as the course of the run says to one that is new
      rank.shards.spread(desk, group);
      EXPECT_EQ(rank.shards.held().front(), slices[group.me]);
      EXPECT_EQ(rank.shards.held().size(), members.size() > 1 ? 2 : 1);
      rank.parameters.copy_(before);  // all members have them all
      rank.shards.step(rank.parameters, step_gradient, 0.01, 0.5);
      for (const Slice& slice : rank.shards.held()) {
        EXPECT_TRUE(same_bits(rank.parameters.narrow(0, slice.first, slice.size()),
                              alone_parameters_.narrow(0, slice.first, slice.size())));
      }
      const auto copy = rank.shards.copy_of_all(desk, group, group.me + 1 == members.size());
      ASSERT_EQ(copy.has_value(), group.me + 1 == members.size());
      if (copy) {
        EXPECT_EQ(copy->steps(), alone_.steps());
        for (std::size_t i = 0; i < alone_.state().size(); ++i)
          EXPECT_TRUE(same_bits(copy->state()[i].second, alone_.state()[i].second));
      }
    });
  }

  FlatOptimizer alone_{rules(), count, decayed, at::kCPU};
  at::Tensor alone_parameters_ = at::ones({count});
  std::array<std::unique_ptr<Rank>, 6> ranks_;
};

TEST_F(Shards, FollowTheMembers) {
  go_on({0});
  go_on({0, 1, 2, 3});
  go_on({0, 1, 2, 3});
  go_on({0, 2, 3});  // one has died
  go_on({2, 3, 5});  // another, and a spare joins
  go_on({2, 3, 4, 5});
}

TEST_F(Shards, AreSmallerThanTheWhole) {
  go_on({0, 1, 2, 3});
  for (const int rank : {0, 1, 2, 3}) {
    std::int64_t held = 0;
    for (const Slice& slice : ranks_[static_cast<std::size_t>(rank)]->shards.held()) held += slice.size();
    EXPECT_LE(held, 4 * chunk_elements);
  }
  EXPECT_THROW(ranks_[1]->shards.whole(), CheckFailure);
}

TEST_F(Shards, AreLostWithTwoNeighbours) {
  go_on({0, 1, 2, 3});
  each({0, 3},
       [](Rank& rank, Desk& desk, const Members& group) { EXPECT_THROW(rank.shards.spread(desk, group), RankLost); });
}

TEST_F(Shards, AreNotLostWithTwoThatAreNone) {
  go_on({0, 1, 2, 3});
  go_on({1, 3});
}

TEST_F(Shards, AreNotLostIfSomebodyDiesWhileTheyMove) {
  constexpr int exchanges = 4;  // of spread()
  for (int lives = 0; lives <= exchanges; ++lives) {
    SCOPED_TRACE(lives);
    SetUp();
    go_on({0, 1, 2, 3});
    const auto move = [](Rank& rank, Desk& desk, const Members& group) {
      try {
        rank.shards.spread(desk, group);
      } catch (const Interrupted&) {
      }
    };
    each({0, 1, 2, 3, 4}, move, /*doomed=*/1, lives);
    go_on({0, 2, 3, 4});
  }
}

}  // namespace
}  // namespace shardmill::train
