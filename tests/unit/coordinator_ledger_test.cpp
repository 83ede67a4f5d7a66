#include <gtest/gtest.h>

#include "coordinator/ledger.hpp"
#include "coordinator/life_cycle.hpp"
#include "job/error.hpp"

namespace shardmill::coordinator {
namespace {

Committed commit(ShardId shard, std::vector<BadRow> bad = {}) { return {shard, 1, 0, 0, 2.0, std::move(bad)}; }

TEST(Plan, CutsRecordsIntoEqualShards) {
  EXPECT_EQ((Plan{0, 10}).shards(), 0);
  EXPECT_EQ((Plan{1, 10}).shards(), 1);
  EXPECT_EQ((Plan{10, 10}).shards(), 1);
  const Plan plan{25, 10};
  EXPECT_EQ(plan.shards(), 3);
  EXPECT_EQ(plan.first(2), 20);
  EXPECT_EQ(plan.count(2), 5);
  const std::int64_t huge = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ((Plan{huge, huge}).shards(), 1);
}

TEST(Plan, APartHasItsShardsUnderTheirNumbers) {
  const Plan second{95, 10, {2, 3}};  // of 10 shards: 4, 3 and 3
  EXPECT_EQ(second.begin(), 4);
  EXPECT_EQ(second.end(), 7);
  EXPECT_EQ(second.shards(), 3);
  EXPECT_EQ(second.own_records(), 30);
  const Plan third{95, 10, {3, 3}};
  EXPECT_EQ(third.own_records(), 25);
  EXPECT_EQ(third.first(9), 90);
  EXPECT_EQ(third.count(9), 5);
  EXPECT_EQ((Plan{95, 10, {1, 3}}).own_records(), 40);
  EXPECT_EQ((Plan{5, 10, {2, 3}}).own_records(), 0);
}

TEST(Ledger, APartIsDoneWithItsOwnShards) {
  Ledger ledger({95, 10, {2, 3}}, 4);
  EXPECT_THROW(ledger.apply(commit(3)), StoreError);
  EXPECT_THROW(ledger.apply(commit(7)), StoreError);
  for (const ShardId shard : {4, 5, 6}) ledger.apply(commit(shard));
  EXPECT_TRUE(ledger.all_done());
  EXPECT_EQ(ledger.figures().tasks_submitted, 3);
  EXPECT_EQ(ledger.figures().records, 30);
  EXPECT_EQ(ledger.figures().records_done, 30);
}

TEST(Ledger, WhatIsGatheredHasTheTimeThatItTells) {
  Ledger ledger({20, 10}, 4);
  ledger.apply(Started{1, 2, 100, 3});
  ledger.apply(commit(0));
  ledger.apply(Ended{ExitCode::done, 8, ""});
  ledger.apply(Started{1, 3, 102, 3});
  ledger.apply(commit(1));
  ledger.apply(Ended{ExitCode::done, 4, ""});
  ledger.apply(Gathered{2, 5, 8});
  EXPECT_FALSE(ledger.ended());
  ledger.apply(Ended{ExitCode::done, 0, ""});
  EXPECT_EQ(ledger.figures().elapsed, 8);
  EXPECT_EQ(ledger.figures().ranks, 5);
  EXPECT_EQ(ledger.figures().faults, 0);
  EXPECT_EQ(ledger.figures().load(), 20.0 / 8);
}

TEST(Ledger, TheFirstCommitCounts) {
  Ledger ledger({25, 10}, 4);
  ledger.apply(commit(2, {{1, "NaN"}}));
  ledger.apply(commit(2, {{1, "NaN"}, {2, "NaN"}}));
  EXPECT_TRUE(ledger.is_done(2));
  EXPECT_EQ(ledger.quarantined(), 1);
  EXPECT_EQ(ledger.figures().records_done, 5);
  EXPECT_EQ(ledger.figures().busy, 2.0);
  ledger.apply(commit(0));
  ledger.apply(commit(1));
  EXPECT_TRUE(ledger.all_done());
  EXPECT_EQ(ledger.done(), IntervalSet(0, 3));
}

TEST(Ledger, WhatComesAfterTheCommitIsIgnored) {
  Ledger ledger({25, 10}, 4);
  ledger.apply(commit(1));
  ledger.apply(Advanced{1, 5, {}});
  ledger.apply(AttemptLost{1, 0, 5, false, "late"});
  EXPECT_EQ(ledger.trouble(1), nullptr);
  EXPECT_EQ(ledger.figures().attempts_lost, 0);
}

TEST(Ledger, DurableRowsOnlyGrow) {
  Ledger ledger({25, 10}, 4);
  ledger.apply(Advanced{0, 6, {{2, "first"}}});
  ledger.apply(Advanced{0, 4, {{2, "second"}, {0, "NaN"}}});
  ledger.apply(Advanced{0, -5, {}});
  EXPECT_EQ(ledger.trouble(0)->durable, 6);
  EXPECT_EQ(ledger.trouble(0)->bad, (std::vector<BadRow>{{0, "NaN"}, {2, "first"}}));
  ledger.apply(Advanced{2, 100, {}});
  EXPECT_EQ(ledger.trouble(2)->durable, 5);
}

TEST(Ledger, StrikesAreDeathsInARowInOneBatch) {
  Ledger ledger({100, 100}, 10);
  auto die_at = [&ledger](std::int64_t row) {
    ledger.apply(AttemptLost{0, 1, row, false, "died"});
    return ledger.trouble(0)->strikes;
  };
  EXPECT_EQ(die_at(15), 1);
  EXPECT_EQ(die_at(10), 2);
  EXPECT_EQ(die_at(19), 3);
  EXPECT_EQ(die_at(20), 1);
  EXPECT_EQ(die_at(-1), 1);  // the rank lives: no strike, and none is taken away
  EXPECT_EQ(die_at(21), 2);
  EXPECT_EQ(ledger.trouble(0)->attempts, 6);
}

TEST(Ledger, RefusesWhatBelongsToAnotherPlan) {
  Ledger ledger({25, 10}, 4);
  EXPECT_NO_THROW(ledger.apply(Opened{1, {25, 10}, "", "", ""}));
  EXPECT_THROW(ledger.apply(Opened{1, {26, 10}, "", "", ""}), StoreError);
  EXPECT_THROW(ledger.apply(Opened{1, {25, 11}, "", "", ""}), StoreError);
  EXPECT_THROW(ledger.apply(commit(3)), StoreError);
  EXPECT_THROW(ledger.apply(commit(-1)), StoreError);
  EXPECT_THROW(ledger.apply(Advanced{3, 1, {}}), StoreError);
  EXPECT_THROW(ledger.apply(AttemptLost{3, 0, 0, false, ""}), StoreError);
}

TEST(Ledger, ARankAndItsShardAreOneFault) {
  Ledger ledger({30, 10}, 1);
  ledger.apply(Started{1, 3, 0});
  ledger.apply(RankGone{2, 1.0, "died"});
  ledger.apply(AttemptLost{0, 2, 0, false, "died"});
  EXPECT_EQ(ledger.figures().faults, 1);
  ledger.apply(commit(1));
  EXPECT_EQ(ledger.figures().faults_recovered, 0);  // its own shard is not done yet
  ledger.apply(commit(0));
  EXPECT_EQ(ledger.figures().faults_recovered, 1);
}

TEST(Ledger, ARankOfTheSameNumberInTheNextIncarnationIsAnother) {
  Ledger ledger({30, 10}, 1);
  ledger.apply(Started{1, 3, 0});
  ledger.apply(RankGone{2, 1.0, "died"});
  ledger.apply(AttemptLost{0, 2, 0, false, "died"});
  ledger.apply(Ended{ExitCode::preempted, 2.0, ""});
  ledger.apply(Started{2, 3, 0});
  ledger.apply(AttemptLost{1, 2, -1, false, "cannot read"});
  EXPECT_EQ(ledger.figures().faults, 2);
}

TEST(Ledger, TimesAddUpOverIncarnations) {
  Ledger ledger({30, 10}, 1);
  ledger.apply(Started{1, 2, 0});
  ledger.apply(Ended{ExitCode::preempted, 5.0, ""});
  EXPECT_TRUE(ledger.ended());
  ledger.apply(Started{2, 4, 0});
  EXPECT_FALSE(ledger.ended());
  EXPECT_EQ(ledger.incarnations(), 2);
  EXPECT_EQ(ledger.figures(3.0).elapsed, 8.0);
  EXPECT_EQ(ledger.figures(3.0).rank_seconds, 5 * 2 + 3 * 4);
  EXPECT_EQ(ledger.figures(3.0).faults, 0);
}

TEST(BadRows, AreMergedInOrderAndTheFirstMessageStays) {
  std::vector<BadRow> rows{{2, "two"}, {5, "five"}};
  merge_bad_rows(rows, {{1, "one"}, {2, "again"}, {9, "nine"}});
  EXPECT_EQ(rows, (std::vector<BadRow>{{1, "one"}, {2, "two"}, {5, "five"}, {9, "nine"}}));
}

TEST(LifeCycle, AShardGoesByTheTable) {
  EXPECT_EQ(next(ShardState::pending, ShardStep::lease), ShardState::leased);
  EXPECT_EQ(next(ShardState::leased, ShardStep::lease), ShardState::leased);
  EXPECT_EQ(next(ShardState::leased, ShardStep::lose), ShardState::pending);
  EXPECT_EQ(next(ShardState::leased, ShardStep::commit), ShardState::done);
}

TEST(Ledger, ACutOffIncarnationCountsUpToItsLastCommit) {
  Ledger ledger({20, 10}, 10);
  ledger.apply(Started{1, 2, 0});
  ledger.apply(Committed{0, 1, 0, 7, 3.0, {}, 4.0});
  ledger.apply(Started{2, 2, 100});
  ledger.apply(Committed{1, 1, 0, 7, 1.0, {}, 1.0});
  ledger.apply(Ended{ExitCode::done, 1.0, ""});
  EXPECT_DOUBLE_EQ(ledger.figures().elapsed, 5.0);
  EXPECT_DOUBLE_EQ(ledger.figures().load(), 4.0);
}

TEST(LifeCycle, WhatIsNotInATableIsABug) {
  std::size_t allowed = 0;
  for (const ShardState from : {ShardState::pending, ShardState::leased, ShardState::done}) {
    for (const ShardStep step : {ShardStep::lease, ShardStep::commit, ShardStep::lose}) {
      try {
        next(from, step);
        ++allowed;
      } catch (const CheckFailure&) {
      }
    }
  }
  EXPECT_EQ(allowed, shard_life.size());
  EXPECT_THROW(next(ShardState::done, ShardStep::lease), CheckFailure);
  for (const RunStep step : {RunStep::stop, RunStep::settle, RunStep::fail}) {
    EXPECT_THROW(next(RunState::ended, step), CheckFailure);
    EXPECT_NO_THROW(next(RunState::running, step));
    EXPECT_NO_THROW(next(RunState::stopping, step));
  }
}

}  // namespace
}  // namespace shardmill::coordinator
