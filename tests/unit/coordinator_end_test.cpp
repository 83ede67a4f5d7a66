// Stopping, and going on from a journal.
#include <gtest/gtest.h>

#include "coordinator_story.hpp"

namespace shardmill::coordinator {
namespace {

TEST(Stop, TakesBackWhatIsOutAndChargesNoAttempt) {
  Story story({40, 10});
  story.start(2);
  story.ready(0, 2);
  story.ready(1);
  story.stop();
  EXPECT_EQ(story.all<Revoke>().size(), 3U);
  EXPECT_FALSE(story.end());
  story.progress(0, 0, 4, 4);
  EXPECT_EQ(story.entries<Advanced>().size(), 1U);
  story.give_back(0, 0);
  EXPECT_EQ(story.granted(), "");
  story.give_back(0, 1);
  story.finish(1, 2);  // it was nearly done
  ASSERT_TRUE(story.end());
  EXPECT_EQ(story.end()->outcome, ExitCode::preempted);
  EXPECT_EQ(story.end()->message, "SIGTERM");
  EXPECT_EQ(story.figures().attempts_lost, 0);
  EXPECT_EQ(story.figures().faults, 0);
  EXPECT_EQ(story.figures().tasks_completed, 1);

  Story resumed({40, 10}, {}, story.journal());
  resumed.start(1);
  resumed.ready(0, 4);
  EXPECT_EQ(resumed.granted(), "0>0 1>0 3>0");
  EXPECT_EQ(resumed.grant_of(0)->first_row, 4);
  EXPECT_FALSE(resumed.grant_of(0)->again);
  for (const ShardId shard : {0, 1, 3}) resumed.finish(0, shard);
  EXPECT_EQ(resumed.end()->outcome, ExitCode::done);
  EXPECT_EQ(resumed.figures().faults, 0);
  EXPECT_EQ(resumed.figures().incarnations, 2);
}

TEST(Stop, LeavesTheShardAtHandForAWhile) {
  Story story({40, 10});
  story.start(2);
  story.ready(0, 2);
  story.ready(1);
  story.stop(5);
  ASSERT_EQ(story.all<Revoke>().size(), 1U);  // what rank 0 holds in advance
  EXPECT_EQ(story.all<Revoke>()[0].rank, 0);
  story.tick(4);
  EXPECT_TRUE(story.all<Revoke>().empty());
  story.finish(1, 2);
  EXPECT_EQ(story.granted(), "");
  story.tick(2);
  EXPECT_EQ(story.all<Revoke>().size(), 2U);  // the patience is over, and rank 0 has not said a word
  story.tick(1);
  EXPECT_TRUE(story.all<Revoke>().empty());
}

TEST(Stop, ASecondOneMayShortenThePatienceButNotLengthenIt) {
  Story story({40, 10});
  story.start(1);
  story.ready(0);
  story.stop(5);
  story.stop(50);
  story.tick(6);
  EXPECT_EQ(story.all<Revoke>().size(), 1U);
}

TEST(Deadline, StartsNoShardThatWouldEndTooLate) {
  Policy policy;
  policy.deadline = 100 + 10;  // the story begins at 100
  Story story({100, 10}, policy);
  story.start(1);
  story.ready(0, 2);
  EXPECT_EQ(story.granted(), "0>0 1>0");
  story.tick(7);
  EXPECT_FALSE(story.end());
  story.finish(0, 0);  // in a second
  EXPECT_EQ(story.granted(), "2>0");
  story.tick(0.5);
  EXPECT_TRUE(story.all<Revoke>().empty());
  story.tick(1);  // 1.5 s are left, and a shard may take two
  ASSERT_EQ(story.all<Revoke>().size(), 1U);
  EXPECT_EQ(story.all<Revoke>()[0].shard, 2);
  story.give_back(0, 2);
  story.finish(0, 1);
  ASSERT_TRUE(story.end());
  EXPECT_EQ(story.end()->outcome, ExitCode::preempted);
  EXPECT_EQ(story.end()->message, "the walltime is nearly over");
  EXPECT_EQ(story.figures().tasks_completed, 2);
  EXPECT_EQ(story.figures().attempts_lost, 0);
}

TEST(Deadline, TakesBackWhatIsStillOut) {
  Policy policy;
  policy.deadline = 100 + 3;
  Story story({100, 10}, policy);
  story.start(1);
  story.ready(0);
  story.tick(2);
  EXPECT_TRUE(story.all<Revoke>().empty());  // nothing is known of how long a shard takes
  story.tick(1);
  EXPECT_EQ(story.all<Revoke>().size(), 1U);
  story.give_back(0, 0);
  EXPECT_EQ(story.end()->outcome, ExitCode::preempted);
}

TEST(Stop, WithNothingOutEndsAtOnce) {
  Story story({40, 10});
  story.start(2);
  story.stop();
  EXPECT_EQ(story.end()->outcome, ExitCode::preempted);
}

TEST(Stop, WhoComesLateGetsNothing) {
  Story story({40, 10});
  story.start(2);
  story.ready(0);
  story.stop();
  story.ready(1);
  EXPECT_TRUE(story.answer.empty());
  story.stop();  // asked again: said again
  EXPECT_EQ(story.all<Revoke>().size(), 1U);
}

TEST(Stop, EndsWhenThoseWhoHoldLeasesDie) {
  Story story({40, 10});
  story.start(2);
  story.ready(0, 2);
  story.ready(1);
  story.stop();
  story.dies(0);
  EXPECT_EQ(story.granted(), "");
  EXPECT_FALSE(story.end());
  story.tick(11);
  story.tick();  // rank 1 has said nothing
  EXPECT_EQ(story.all<Kill>().size(), 1U);
  ASSERT_TRUE(story.end());
  EXPECT_EQ(story.end()->outcome, ExitCode::preempted);
}

TEST(Stop, TheLastCommitMayStillMakeItDone) {
  Story story({10, 10});
  story.start(1);
  story.ready(0);
  story.stop();
  story.finish(0, 0, {{2, "NaN"}});
  EXPECT_EQ(story.end()->outcome, ExitCode::quarantined);
  EXPECT_EQ(story.end()->message, "1 records are in quarantine");
}

TEST(Returned, OfItsOwnWillGoesToAnotherIfTheRankWantsNoMore) {
  Story story({40, 10});
  story.start(2);
  story.ready(0, 2);
  story.ready(0, 0);
  story.give_back(0, 1);
  EXPECT_EQ(story.granted(), "");
  story.ready(1);
  EXPECT_EQ(story.granted(), "1>1");
  EXPECT_EQ(story.figures().attempts_lost, 0);
}

TEST(Replay, GivesTheLedgerThatWroteIt) {
  Story story({80, 10});
  story.start(4);
  for (Rank rank = 0; rank < 4; ++rank) story.ready(rank, 2);
  story.now += 0.123456789;
  story.progress(1, 2, 3, 5, {{0, "a b%\n"}});
  story.dies(1);
  story.finish(0, 0);
  story.fail(2, 4);
  EXPECT_TRUE(story.replayed() == story.coordinator().ledger());
  story.on(RunFailed{"full"});
  EXPECT_TRUE(story.replayed() == story.coordinator().ledger());
}

TEST(Replay, ACutOffIncarnationIsAFaultUntilTheNextCommit) {
  Story first({30, 10});
  first.start(1);
  first.ready(0);
  first.finish(0, 0);
  Story second({30, 10}, {}, first.journal());
  second.start(1);
  EXPECT_EQ(second.figures().faults, 1);
  EXPECT_EQ(second.figures().faults_recovered, 0);
  EXPECT_EQ(second.figures().incarnations, 2);
  second.ready(0);
  EXPECT_EQ(second.granted(), "1>0");  // what is done is not leased again
  second.finish(0, 1);
  EXPECT_EQ(second.figures().faults_recovered, 1);
  second.finish(0, 2);
  EXPECT_EQ(second.end()->outcome, ExitCode::done);
  EXPECT_EQ(second.figures().fault_tolerance(), 1.0);
}

TEST(Replay, ASuspectIsStillOneAfterwards) {
  Policy policy;
  policy.max_attempts = 2;
  policy.batch_size = 5;
  Story first({30, 10}, policy);
  first.start(2);
  first.ready(0);
  first.progress(0, 0, 5, 5);
  first.dies(0);
  Story second({30, 10}, policy, first.journal());
  second.start(2);
  second.ready(0, 3);
  EXPECT_EQ(second.granted(), "0>0");  // alone
  EXPECT_TRUE(second.grant_of(0)->careful);
  EXPECT_EQ(second.grant_of(0)->first_row, 5);
}

TEST(Replay, OfAFinishedRunEndsAtOnce) {
  Story first({10, 10});
  first.start(1);
  first.ready(0);
  first.finish(0, 0, {{1, "NaN"}});
  Story second({10, 10}, {}, first.journal());
  second.start(5);
  EXPECT_EQ(second.end()->outcome, ExitCode::quarantined);
  EXPECT_EQ(second.figures().records_done, 10);
}

TEST(Figures, AddUp) {
  Story story({40, 10});
  story.start(2);
  story.ready(0);
  story.ready(1);
  story.now += 10;
  story.finish(0, 0);
  const Figures figures = story.figures();
  EXPECT_EQ(figures.tasks_submitted, 4);
  EXPECT_EQ(figures.tasks_completed, 1);
  EXPECT_EQ(figures.utilization(), 0.25);
  EXPECT_EQ(figures.elapsed, 10);
  EXPECT_EQ(figures.load(), 1.0);
  EXPECT_EQ(figures.busy, 1.0);
  EXPECT_EQ(figures.rank_seconds, 20);
  story.dies(1);
  story.now += 3;
  story.finish(0, 2);  // and rank 0 takes the lost shard
  EXPECT_EQ(story.granted(), "1>0");
  EXPECT_EQ(story.figures().longest_recovery, 3);
  EXPECT_EQ(story.figures().fault_tolerance(), 0.0);
}

}  // namespace
}  // namespace shardmill::coordinator
