// What the journals of a run's parts come to together.
#include <gtest/gtest.h>

#include "coordinator/ledger.hpp"
#include "infer/parts.hpp"

namespace shardmill::infer {
namespace {

using coordinator::Committed;
using coordinator::Ended;
using coordinator::Entry;
using coordinator::Opened;
using coordinator::RankGone;
using coordinator::Started;

// Of two parts, with two shards of ten records each.
PartRecord part(int index, std::vector<Entry> entries) {
  PartRecord record;
  record.part = {index, 2};
  entries.insert(entries.begin(), Opened{1, {40, 10, record.part}, "job", "data", "model"});
  record.entries = std::move(entries);
  return record;
}

Committed commit(coordinator::ShardId shard, double elapsed) { return {shard, 1, 0, 7, 1.5, {}, elapsed}; }

coordinator::Ledger replay(const std::vector<Entry>& entries) {
  coordinator::Ledger ledger(std::get<Opened>(entries.front()).plan, 4);
  for (const Entry& entry : entries) ledger.apply(entry);
  return ledger;
}

TEST(JoinJournals, FiguresAddUpAndTimeIsThatInWhichAPartRan) {
  const std::vector<Entry> joined = join_journals(
      {part(1, {Started{1, 2, 1000, 3}, commit(0, 3), RankGone{1, 4, ""}, commit(1, 9), Ended{ExitCode::done, 10, ""}}),
       part(2, {Started{1, 3, 1005, 3}, commit(2, 8), commit(3, 9), Ended{ExitCode::done, 10, ""}})},
      5000);
  EXPECT_EQ(std::get<Opened>(joined.front()).plan, (coordinator::Plan{40, 10}));
  const coordinator::Figures figures = replay(joined).figures();
  EXPECT_EQ(figures.tasks_submitted, 4);
  EXPECT_EQ(figures.tasks_completed, 4);
  EXPECT_EQ(figures.records_done, 40);
  EXPECT_EQ(figures.faults, 1);
  EXPECT_EQ(figures.faults_recovered, 1);
  EXPECT_EQ(figures.ranks, 5);
  EXPECT_EQ(figures.elapsed, 15);  // 1000 to 1015
  EXPECT_EQ(figures.rank_seconds, 50);
  EXPECT_EQ(figures.busy, 6);
}

TEST(JoinJournals, TheQueueDoesNotCountAndWhatWasCutOffIsNotTheNextPartsFault) {
  const std::vector<Entry> joined =
      join_journals({part(1, {Started{1, 1, 1000, 3}, commit(0, 4)}),
                     part(2, {Started{1, 1, 9000, 3}, commit(2, 5), Ended{ExitCode::preempted, 6, "asked to stop"}})},
                    10'000);
  const coordinator::Ledger ledger = replay(joined);
  EXPECT_EQ(ledger.figures().elapsed, 10);
  EXPECT_EQ(ledger.figures().faults, 0);
  EXPECT_EQ(ledger.figures().tasks_completed, 2);
  EXPECT_FALSE(ledger.ended());
}

TEST(JoinJournals, APartThatRunsReachesToNow) {
  PartRecord running = part(1, {Started{1, 1, 1000, 3}, commit(0, 4)});
  running.running = true;
  EXPECT_EQ(replay(join_journals({running, {}}, 1030)).figures().elapsed, 30);
}

TEST(JoinJournals, NothingBegunIsNothing) {
  EXPECT_TRUE(join_journals({}, 0).empty());
  EXPECT_TRUE(join_journals({PartRecord{}, PartRecord{}}, 0).empty());
}

}  // namespace
}  // namespace shardmill::infer
