// Everything ends at once, and nobody has seen what did it.
#include <gtest/gtest.h>

#include "coordinator_story.hpp"

namespace shardmill::coordinator {
namespace {

constexpr Plan plan{100, 10};

Policy policy_of(int max_attempts) {
  Policy policy;
  policy.max_attempts = max_attempts;
  policy.batch_size = 5;
  return policy;
}

// One rank, killed by the record in each mpirun; how many mpiruns it takes until the run ends.
int mpiruns(std::int64_t poison, int max_attempts, std::vector<std::string>& journal, std::optional<Finish>& end) {
  for (int mpirun = 1; mpirun < 20; ++mpirun) {
    Story story(plan, policy_of(max_attempts), journal);
    story.start(1);
    story.ready(0, 3);
    bool dead = false;
    std::map<ShardId, Grant> held;
    for (const Grant& grant : story.all<Grant>()) held[grant.shard] = grant;
    while (!dead && !held.empty()) {
      const Grant grant = held.begin()->second;
      held.erase(held.begin());
      std::vector<BadRow> bad;
      for (std::int64_t row = grant.first_row; row < 10 && !dead;) {
        if (grant.again) {
          EXPECT_TRUE(story.asks(0, grant.shard, row));
        }
        const bool singly = grant.careful && row / 5 == grant.first_row / 5;
        const std::int64_t next = singly ? row + 1 : (row / 5 + 1) * 5;
        const std::int64_t at = poison - grant.shard * 10;
        const bool skips = !grant.skip.empty() && grant.skip.front().row == at;
        dead = at >= row && at < next && !skips;
        if (at >= row && at < next && skips) bad = grant.skip;
        row = next;
        if (!dead && grant.again && row < 10) story.progress(0, grant.shard, row, row, bad);
      }
      if (dead) break;
      story.finish(0, grant.shard, bad);
      for (const Grant& more : story.all<Grant>()) held[more.shard] = more;
      end = story.end();
      if (end) {
        EXPECT_TRUE(story.replayed() == story.coordinator().ledger());
        journal = story.journal();
        return mpirun;
      }
    }
    journal = story.journal();
  }
  return -1;
}

TEST(CutOff, OneRankAloneFindsTheRecordThatKillsIt) {
  for (const std::int64_t poison : {0, 3, 7, 55, 99}) {
    for (const int most : {1, 2, 3, 4}) {
      std::vector<std::string> journal;
      std::optional<Finish> end;
      // One death that tells nothing, then as many as a seen one takes, then the run that gets through.
      EXPECT_EQ(mpiruns(poison, most, journal, end), 1 + std::max(most, 2) + 1) << poison << ' ' << most;
      ASSERT_TRUE(end);
      EXPECT_EQ(end->outcome, ExitCode::quarantined);
      EXPECT_EQ(end->message, "1 records are in quarantine");
    }
  }
}

TEST(CutOff, TheLowestShardsThatWaitAreLeasedAlone) {
  Story first(plan, policy_of(3));
  first.start(2);
  first.ready(0, 3);
  first.ready(1, 3);
  Story again(plan, policy_of(3), first.journal());
  again.start(1);
  again.ready(0, 3);
  EXPECT_EQ(again.granted(), "0>0");
  EXPECT_TRUE(again.grant_of(0)->again);
  for (ShardId shard = 0; shard < 6; ++shard) {
    again.finish(0, shard);
    if (shard < 5) {
      EXPECT_TRUE(again.grant_of(shard + 1)->again) << shard;
    }
  }
  EXPECT_EQ(again.granted(), "6>0 7>0 8>0");
  EXPECT_FALSE(again.grant_of(6)->again);
}

TEST(CutOff, OfSeveralBatchesBegunNoneIsChargedButHalfOfThemRunNext) {
  Story first(plan, policy_of(3));
  first.start(4);
  Story second(plan, policy_of(3), first.journal());
  second.start(4);
  for (Rank rank = 0; rank < 4; ++rank) {
    second.ready(rank);
    ASSERT_TRUE(second.asks(rank, rank, 0));
  }
  Story third(plan, policy_of(3), second.journal());
  third.start(4);
  EXPECT_EQ(third.entries<Suspected>().size(), 4U);
  EXPECT_TRUE(third.entries<AttemptLost>().empty());
  for (Rank rank = 0; rank < 4; ++rank) third.ready(rank);
  EXPECT_EQ(third.coordinator().state(1), ShardState::leased);
  EXPECT_EQ(third.coordinator().state(2), ShardState::pending);
  ASSERT_TRUE(third.asks(0, 0, 0));
  ASSERT_TRUE(third.asks(1, 1, 0));
  third.finish(1, 1);  // three are doubtful now: one at a time
  EXPECT_EQ(third.granted(), "");
  Story fourth(plan, policy_of(3), third.journal());
  fourth.start(4);  // only shard 0 was begun
  ASSERT_EQ(fourth.entries<AttemptLost>().size(), 1U);
  EXPECT_EQ(fourth.entries<AttemptLost>()[0],
            (AttemptLost{0, every_rank, 0, false, "the run was cut off while it was computed"}));
  fourth.ready(0);
  fourth.ready(1);
  EXPECT_EQ(fourth.coordinator().state(2), ShardState::pending) << "a shard that is to blame runs alone";
  EXPECT_EQ(fourth.figures().faults, 3);
}

TEST(CutOff, RanksThatOutliveTheirCoordinatorHaveDiedOfNothing) {
  Story first(plan, policy_of(3));
  first.start(3);
  Story second(plan, policy_of(3), first.journal());
  second.start(3);
  second.ready(0);
  second.ready(1);
  ASSERT_TRUE(second.asks(0, 0, 0));
  ASSERT_TRUE(second.asks(1, 1, 0));
  Story third(plan, policy_of(3), second.journal());
  third.take_over({1, 2});
  ASSERT_EQ(third.entries<AttemptLost>().size(), 1U);
  EXPECT_EQ(third.entries<AttemptLost>()[0].shard, 0);
  EXPECT_TRUE(third.coordinator().ledger().begun().empty());
  EXPECT_EQ(third.figures().faults, 2);  // the two coordinators; the strike is one with its coordinator's death
}

TEST(CutOff, ADeathThatWasSeenMayHaveEndedAll) {
  Story first(plan, policy_of(3));
  first.start(2);
  Story second(plan, policy_of(3), first.journal());
  second.start(2);
  second.ready(0);
  ASSERT_TRUE(second.asks(0, 0, 0));
  second.dies(1);
  Story third(plan, policy_of(3), second.journal());
  third.start(2);
  EXPECT_TRUE(third.entries<AttemptLost>().empty());
  EXPECT_EQ(third.entries<Suspected>().size(), 1U);
}

TEST(CutOff, AShardGivenBackIsNotBlamed) {
  Story first(plan, policy_of(3));
  first.start(1);
  Story second(plan, policy_of(3), first.journal());
  second.start(1);
  second.ready(0);
  ASSERT_TRUE(second.asks(0, 0, 0));
  second.ready(0, 0);
  second.give_back(0, 0);
  Story third(plan, policy_of(3), second.journal());
  third.start(1);
  EXPECT_TRUE(third.entries<AttemptLost>().empty());
}

TEST(CutOff, FailsTheRunIfTheJobSaysSo) {
  std::vector<std::string> journal;
  std::optional<Finish> end;
  for (int mpirun = 0; mpirun < 4; ++mpirun) {
    Policy policy = policy_of(2);
    policy.fail_on_bad_record = true;
    Story story(plan, policy, journal);
    story.start(1);
    end = story.end();
    story.ready(0);
    if (!end && story.grant_of(0)->again) {
      EXPECT_TRUE(story.asks(0, 0, 0));
    }
    journal = story.journal();
  }
  ASSERT_TRUE(end);
  EXPECT_EQ(end->outcome, ExitCode::failed);
  EXPECT_NE(end->message.find("record 0 "), std::string::npos) << end->message;
}

}  // namespace
}  // namespace shardmill::coordinator
