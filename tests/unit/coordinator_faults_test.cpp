// Ranks die, hang and fail; records kill.
#include <gtest/gtest.h>

#include "coordinator_story.hpp"

namespace shardmill::coordinator {
namespace {

Policy policy_of(int max_attempts, std::int64_t batch_size) {
  Policy policy;
  policy.max_attempts = max_attempts;
  policy.batch_size = batch_size;
  return policy;
}

TEST(Deaths, TheBegunShardGoesOnFromItsLastDurableRowAndTheOtherCostsNoAttempt) {
  Story story({40, 10}, policy_of(3, 2));
  story.start(2);
  story.ready(0, 2);
  story.progress(0, 0, 4, 6);
  story.dies(0);
  ASSERT_EQ(story.entries<AttemptLost>().size(), 1U);
  EXPECT_EQ(story.entries<AttemptLost>()[0].shard, 0);
  EXPECT_EQ(story.entries<AttemptLost>()[0].at, 6);
  story.ready(1, 2);
  ASSERT_TRUE(story.grant_of(0));
  EXPECT_EQ(story.grant_of(0)->first_row, 4);
  EXPECT_TRUE(story.grant_of(0)->again);
  EXPECT_FALSE(story.grant_of(0)->careful);
  EXPECT_FALSE(story.grant_of(1));  // a suspect is leased alone
  story.finish(1, 0);
  EXPECT_EQ(story.entries<Committed>().at(0).attempts, 2);
  story.finish(1, 1);
  EXPECT_EQ(story.entries<Committed>().at(0).attempts, 1);
  EXPECT_EQ(story.figures().records_recomputed, 2);
  EXPECT_EQ(story.figures().faults, 1);
  EXPECT_EQ(story.figures().faults_recovered, 1);
}

TEST(Deaths, BlameTheLeaseThatTheRankLastToldOf) {
  Story story({40, 10}, policy_of(3, 2));
  story.start(1);
  story.ready(0, 3);
  story.progress(0, 0, 0, 8);
  story.progress(0, 1, 0, 2);  // the model has gone on; shard 0 only waits for the disk
  story.dies(0);
  ASSERT_EQ(story.entries<AttemptLost>().size(), 1U);
  EXPECT_EQ(story.entries<AttemptLost>()[0].shard, 1);
  EXPECT_EQ(story.entries<AttemptLost>()[0].at, 2);
}

TEST(Deaths, OfARankThatHeldNothingAreRecoveredFromByGoingOn) {
  Story story({20, 10});
  story.start(2);
  story.ready(0);
  story.dies(1);
  EXPECT_TRUE(story.entries<AttemptLost>().empty());
  EXPECT_EQ(story.figures().faults, 1);
  EXPECT_EQ(story.figures().faults_recovered, 0);
  story.finish(0, 0);
  EXPECT_EQ(story.figures().faults_recovered, 1);
  EXPECT_EQ(story.figures().ranks_alive, 1);
}

TEST(Deaths, LateAnswersOfADeadRankAreIgnored) {
  Story story({40, 10});
  story.start(2);
  story.ready(0);
  story.dies(0);
  story.finish(0, 0);
  EXPECT_TRUE(story.answer.empty());
  story.progress(0, 0, 5, 5);
  EXPECT_TRUE(story.answer.empty());
  story.give_back(0, 0);
  EXPECT_TRUE(story.answer.empty());
  story.ready(0, 2);
  EXPECT_TRUE(story.answer.empty());
  story.dies(0);  // dead is dead
  EXPECT_TRUE(story.answer.empty());
  EXPECT_EQ(story.figures().faults, 1);
}

TEST(Silence, KillsARank) {
  Story story({40, 10});
  story.start(2);
  story.ready(0);
  for (int i = 0; i < 11; ++i) {
    story.on(Heartbeat{1});
    story.tick();
    EXPECT_TRUE(story.all<Kill>().empty());
  }
  story.on(Heartbeat{1});
  story.tick();
  ASSERT_EQ(story.all<Kill>().size(), 1U);
  EXPECT_EQ(story.all<Kill>()[0].rank, 0);
  EXPECT_EQ(story.entries<RankGone>().size(), 1U);
  EXPECT_EQ(story.coordinator().state(0), ShardState::pending);
}

TEST(Silence, AfterAPauseOfTheCoordinatorItselfProvesNothing) {
  Story story({40, 10});
  story.start(2);
  story.ready(0);
  story.tick();
  story.tick(60);  // nobody was heard, because nobody listened
  EXPECT_TRUE(story.all<Kill>().empty());
  story.on(Heartbeat{0});
  story.tick();
  ASSERT_EQ(story.all<Kill>().size(), 1U);
  EXPECT_EQ(story.all<Kill>()[0].rank, 1);
}

TEST(Silence, NoProgressForShardTimeoutKillsThoughTheRankSaysThatItLives) {
  Policy policy;
  policy.shard_timeout = 20;
  Story story({40, 10}, policy);
  story.start(2);
  story.ready(0);
  Seconds killed = 0;
  for (int i = 0; i < 40 && killed == 0; ++i) {
    story.on(Heartbeat{0});
    story.on(Heartbeat{1});
    if (i == 10) story.progress(0, 0, 0, 2);
    story.tick();
    if (!story.all<Kill>().empty()) killed = story.now;
  }
  EXPECT_NEAR(killed, 100 + 10 + 20, 3);
}

// The lease behind the one that ended starts its own clock.
TEST(Silence, ARevokedLeaseDoesNotCountAgainstTheNext) {
  Policy policy;
  policy.shard_timeout = 20;
  Story story({40, 10}, policy);
  story.start(2);
  story.ready(0, 1);
  story.now += 1;
  story.ready(0, 2);
  story.ready(1, 1);
  story.now += 1;
  story.finish(1, 2);
  story.finish(1, 3);
  for (int i = 0; i < 18; ++i) {
    story.on(Heartbeat{0});
    story.on(Heartbeat{1});
    story.tick();
  }
  story.finish(1, 0);
  ASSERT_EQ(story.all<Revoke>().size(), 1U);
  for (int i = 0; i < 18; ++i) {
    story.on(Heartbeat{0});
    story.on(Heartbeat{1});
    story.tick();
    EXPECT_TRUE(story.all<Kill>().empty());
  }
}

// All the dead are known before their shards are leased again: else the second would be charged with the first's shard.
TEST(Silence, OfTwoRanksCostsEachShardOneAttempt) {
  Story story({20, 10});
  story.start(4);
  story.ready(0);
  story.ready(1, 2);
  story.ready(3);  // idle, and silent too: it must not be given what the others held
  story.now += 10;
  story.ready(2, 0);
  story.tick(1);
  story.tick(1);
  EXPECT_EQ(story.all<Kill>().size(), 3U);
  EXPECT_EQ(story.entries<AttemptLost>().size(), 2U);
  EXPECT_EQ(story.granted(), "");
  EXPECT_EQ(story.coordinator().ledger().trouble(0)->attempts, 1);
  EXPECT_EQ(story.coordinator().ledger().trouble(1)->attempts, 1);
}

// Asks before every batch or record, as a rank does with a suspect, until the poison row ends its rank.
int ranks_killed(Story& story, std::int64_t poison, std::int64_t batch, int ranks) {
  int killed = 0;
  for (Rank rank = 0; rank < ranks; ++rank) {
    story.ready(rank);
    const auto grant = story.grant_of(0);
    if (!grant) return killed;
    for (std::int64_t row = grant->first_row; row < 10;) {
      const bool singly = grant->careful && row / batch == grant->first_row / batch;
      const std::int64_t next = singly ? row + 1 : std::min<std::int64_t>((row / batch + 1) * batch, 10);
      story.progress(rank, 0, row, row, row > 0 ? grant->skip : std::vector<BadRow>());
      if (grant->again) {
        EXPECT_TRUE(story.asks(rank, 0, row));
      }
      const bool skips = !grant->skip.empty() && grant->skip.front().row == poison;
      if (!skips && row <= poison && poison < next) {
        story.dies(rank);
        ++killed;
        break;
      }
      row = next;
      if (row == 10) story.finish(rank, 0, grant->skip);
    }
    if (story.end()) return killed;
  }
  return killed;
}

TEST(Poison, KillsMaxAttemptsRanksAndIsSkipped) {
  for (const std::int64_t poison : {0, 3, 5, 9}) {
    for (const std::int64_t batch : {1, 3, 4, 10, 64}) {
      for (const int most : {1, 2, 3, 4}) {
        Story story({10, 10}, policy_of(most, batch));
        story.start(10);
        EXPECT_EQ(ranks_killed(story, poison, batch, 10), std::max(most, 2)) << poison << ' ' << batch << ' ' << most;
        ASSERT_TRUE(story.end());
        EXPECT_EQ(story.end()->outcome, ExitCode::quarantined);
        EXPECT_EQ(story.entries<Committed>().at(0).bad, (std::vector<BadRow>{{poison, "signal 9"}}));
        EXPECT_EQ(story.figures().records_quarantined, 1);
        EXPECT_EQ(story.figures().faults_recovered, std::max(most, 2));
        EXPECT_TRUE(story.replayed() == story.coordinator().ledger());
      }
    }
  }
}

TEST(Poison, FailsTheRunIfTheJobSaysSo) {
  Policy policy = policy_of(2, 4);
  policy.fail_on_bad_record = true;
  Story story({10, 10}, policy);
  story.start(5);
  ranks_killed(story, 6, 4, 5);
  ASSERT_TRUE(story.end());
  EXPECT_EQ(story.end()->outcome, ExitCode::failed);
  EXPECT_NE(story.end()->message.find("record 6 "), std::string::npos) << story.end()->message;
}

// A lease from before the verdict does not know of the row that is to be skipped.
TEST(Poison, OnceFoundEndsTheOtherLeaseOfItsShard) {
  Story story({20, 10}, policy_of(2, 5));
  story.start(4);
  for (Rank rank = 0; rank < 4; ++rank) story.ready(rank);
  story.now += 1;
  story.finish(1, 1);
  story.tick(5);
  ASSERT_EQ(story.granted(), "0>1");  // rank 0 is slow
  story.progress(1, 0, 0, 0);
  story.dies(1);
  ASSERT_EQ(story.granted(), "0>2");
  ASSERT_TRUE(story.grant_of(0)->careful);
  ASSERT_TRUE(story.asks(2, 0, 0));
  story.dies(2);
  ASSERT_TRUE(story.entries<AttemptLost>().at(0).skip);
  ASSERT_EQ(story.all<Revoke>().size(), 1U);
  EXPECT_EQ(story.all<Revoke>()[0].rank, 0);
  ASSERT_TRUE(story.grant_of(0));
  EXPECT_EQ(story.grant_of(0)->skip.size(), 1U);
}

TEST(Poison, IsNotFoundInADeathBeforeTheLeaseWasBegun) {
  Story story({10, 10}, policy_of(2, 5));
  story.start(4);
  story.ready(0);
  story.dies(0);
  story.ready(1);
  ASSERT_TRUE(story.grant_of(0)->careful);
  story.dies(1);  // without a word: it had not begun
  EXPECT_TRUE(story.entries<AttemptLost>().empty());
  story.ready(2);
  EXPECT_TRUE(story.grant_of(0)->skip.empty());
}

// The rows that went one at a time are behind it: the batch is to blame, not its first record.
TEST(Poison, IsNotFoundInABatchThatWentAsAWhole) {
  Story story({12, 12}, policy_of(2, 4));
  story.start(4);
  story.ready(0);
  story.progress(0, 0, 0, 4);  // at row 4, but none is durable
  story.dies(0);
  story.ready(1);
  ASSERT_TRUE(story.grant_of(0)->careful);
  EXPECT_EQ(story.grant_of(0)->first_row, 0);
  for (std::int64_t row = 0; row <= 4; ++row) {
    story.progress(1, 0, row, row);
    ASSERT_TRUE(story.asks(1, 0, row));
  }
  story.dies(1);
  ASSERT_EQ(story.entries<AttemptLost>().size(), 1U);
  EXPECT_FALSE(story.entries<AttemptLost>()[0].skip);
}

TEST(Poison, ABatchBeginsOnlyWhenWhatCameBeforeIsDurable) {
  Story story({12, 12}, policy_of(3, 4));
  story.start(3);
  story.ready(0);
  story.dies(0);
  story.ready(1);
  EXPECT_TRUE(story.asks(1, 0, 0));
  EXPECT_EQ(story.entries<Begun>(), (std::vector<Begun>{{1, 0, 0, false}}));
  EXPECT_FALSE(story.asks(1, 0, 4));  // computed, not durable
  story.progress(1, 0, 4, 4);
  ASSERT_EQ(story.all<Proceed>().size(), 1U);
  EXPECT_EQ(story.all<Proceed>()[0].row, 4);
  EXPECT_EQ(story.entries<Begun>(), (std::vector<Begun>{{1, 0, 4, false}}));
  story.progress(1, 0, 8, 8);
  story.dies(1);  // between two batches: no record did it
  EXPECT_TRUE(story.entries<AttemptLost>().empty());
}

TEST(Poison, WhatIsLeftOfABatchBegunCarefullyGoesCarefullyToo) {
  Story story({12, 12}, policy_of(2, 4));
  story.start(4);
  story.ready(0);
  story.dies(0);
  story.ready(1);
  story.progress(1, 0, 2, 2);
  story.give_back(1, 0);
  ASSERT_TRUE(story.grant_of(0));
  EXPECT_EQ(story.grant_of(0)->first_row, 2);
  EXPECT_TRUE(story.grant_of(0)->careful);
  EXPECT_TRUE(story.grant_of(0)->again);
}

TEST(Failures, OfLivingRanksEndTheRunAfterMaxAttemptsAndBlameNoRecord) {
  Story story({20, 10}, policy_of(3, 5));
  story.start(2);
  story.ready(0);
  story.fail(0, 0);
  EXPECT_EQ(story.entries<AttemptLost>().at(0).at, -1);
  EXPECT_FALSE(story.grant_of(0)->careful);
  story.fail(0, 0);
  EXPECT_FALSE(story.grant_of(0)->careful);
  story.fail(0, 0);
  ASSERT_TRUE(story.end());
  EXPECT_EQ(story.end()->outcome, ExitCode::failed);
  EXPECT_NE(story.end()->message.find("shard 0 failed 3 times"), std::string::npos);
  EXPECT_TRUE(story.coordinator().ledger().trouble(0)->skip.empty());
}

TEST(Failures, DeathsDoNotCountAsFailures) {
  Story story({10, 10}, policy_of(3, 5));
  story.start(5);
  for (Rank rank = 0; rank < 2; ++rank) {
    story.ready(rank);
    story.dies(rank);
  }
  story.ready(2);
  story.fail(2, 0);
  EXPECT_FALSE(story.end());
}

TEST(Failures, ABadRecordFailsTheRunIfTheJobSaysSo) {
  Policy policy;
  policy.fail_on_bad_record = true;
  for (const bool at_the_end : {false, true}) {
    Story story({20, 10}, policy);
    story.start(1);
    story.ready(0, 2);
    if (at_the_end) {
      story.finish(0, 1, {{3, "NaN"}});
    } else {
      story.progress(0, 1, 5, 5, {{3, "NaN"}});
    }
    ASSERT_TRUE(story.end());
    EXPECT_EQ(story.end()->outcome, ExitCode::failed);
    EXPECT_NE(story.end()->message.find("record 13 "), std::string::npos) << story.end()->message;
    EXPECT_EQ(story.figures().tasks_completed, 0);
  }
}

TEST(Failures, TheRunFailsIfARankSaysThatItCannotGoOn) {
  Story story({20, 10});
  story.start(1);
  story.ready(0);
  story.on(RunFailed{"the disk is full"});
  EXPECT_EQ(story.end()->outcome, ExitCode::failed);
  EXPECT_EQ(story.end()->message, "the disk is full");
  EXPECT_TRUE(story.coordinator().ended());
}

}  // namespace
}  // namespace shardmill::coordinator
