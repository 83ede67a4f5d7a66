// A planned run takes as long as arithmetic says, and deaths cost what they should.
#include <cmath>

#include <gtest/gtest.h>

#include "simulation/forecast.hpp"

namespace shardmill::simulation {
namespace {

// 8 ranks, 800 shards of 10 s: 1,000 s of work for each rank.
PlannedRun run_of_eight() {
  PlannedRun run;
  run.plan = {800 * 100, 100};
  run.batch_size = 10;
  run.ranks = 8;
  run.seconds_per_record = 0.1;
  run.variation = 0;
  return run;
}

double mean_of(const PlannedRun& run, std::int64_t PlannedOutcome::*what, int runs = 20) {
  double sum = 0;
  for (int seed = 0; seed < runs; ++seed) sum += static_cast<double>(simulate(run, seed).*what);
  return sum / runs;
}

TEST(PlannedRun, WithoutDeathsItTakesWhatTheWorkTakes) {
  const PlannedOutcome outcome = simulate(run_of_eight(), 1);
  EXPECT_TRUE(outcome.ended);
  EXPECT_NEAR(outcome.makespan, 10 + 1000, 1);
  EXPECT_EQ(outcome.records_computed, 80'000);
  EXPECT_NEAR(outcome.busy_share, 1, 0.01);
  EXPECT_EQ(outcome.ranks_alive, 8);
  EXPECT_EQ(outcome.deaths + outcome.restarts + outcome.takeovers, 0);
}

// Shards of 0.1 ms, and 5 ms until a commit is answered: ranks ask far enough ahead.
TEST(PlannedRun, ShortShardsDoNotWaitForTheirCommits) {
  PlannedRun run = run_of_eight();
  run.plan = {1'000'000, 10};
  run.ranks = 2;
  run.seconds_per_record = 1e-5;
  EXPECT_NEAR(simulate(run, 1).makespan, 10 + 5, 0.5);
}

TEST(PlannedRun, TheSameSeedIsTheSameRun) {
  PlannedRun run = run_of_eight();
  run.rank_mtbf = 1000;
  run.variation = 0.2;
  run.hangs = 0.3;
  const PlannedOutcome one = simulate(run, 7);
  const PlannedOutcome two = simulate(run, 7);
  EXPECT_EQ(one.makespan, two.makespan);
  EXPECT_EQ(one.steps, two.steps);
  EXPECT_NE(one.makespan, simulate(run, 8).makespan);
}

// Eight ranks, each with one death in 10,000 s, over 1,000 s: 0.8 deaths a run, as long as few have died.
TEST(PlannedRun, DeathsComeAsOftenAsAsked) {
  PlannedRun run = run_of_eight();
  run.rank_mtbf = 10'000;
  EXPECT_NEAR(mean_of(run, &PlannedOutcome::deaths, 400), 0.8, 0.15);
}

// What a death costs: the dead rank's part of the rest, and at most three shards' worth of what it held.
TEST(PlannedRun, SurvivorsTakeOverTheWork) {
  PlannedRun run = run_of_eight();
  run.rank_mtbf = 5'000;
  for (int seed = 0; seed < 50; ++seed) {
    const PlannedOutcome outcome = simulate(run, seed);
    ASSERT_TRUE(outcome.ended);
    if (outcome.restarts > 0) continue;
    EXPECT_GE(outcome.makespan, 1009);
    EXPECT_LE(outcome.makespan, 10 + 1000 * 8.0 / outcome.ranks_alive + 40) << seed;
    EXPECT_EQ(outcome.ranks_alive, 8 - outcome.deaths);
    // A death costs less than the two seconds between two reports and a batch, all seven others at a takeover.
    EXPECT_LE(outcome.records_computed - 80'000, 40 * outcome.deaths + 8 * 60 * outcome.takeovers + 8 * 100) << seed;
  }
}

TEST(PlannedRun, TheCoordinatorsDeathIsTakenOver) {
  PlannedRun run = run_of_eight();
  run.rank_mtbf = 2'000;
  EXPECT_GT(mean_of(run, &PlannedOutcome::takeovers), 0.1);
  // Each rank in turn: no more takeovers than deaths.
  for (int seed = 0; seed < 50; ++seed) {
    const PlannedOutcome outcome = simulate(run, seed);
    EXPECT_LE(outcome.takeovers, outcome.deaths);
  }
}

TEST(PlannedRun, WithoutFaultToleranceEveryDeathIsARestart) {
  PlannedRun run = run_of_eight();
  run.rank_mtbf = 4'000;
  run.survives_deaths = false;
  for (int seed = 0; seed < 20; ++seed) {
    const PlannedOutcome outcome = simulate(run, seed);
    EXPECT_TRUE(outcome.ended);
    EXPECT_EQ(outcome.restarts, outcome.deaths);
    EXPECT_GE(outcome.makespan, 1009 + 10.0 * static_cast<double>(outcome.restarts));
    EXPECT_EQ(outcome.ranks_alive, 8);
  }
}

TEST(PlannedRun, ALostNodeEndsTheMpirun) {
  PlannedRun run = run_of_eight();
  run.node_mtbf = 2'000;
  run.ranks_per_node = 4;
  EXPECT_NEAR(mean_of(run, &PlannedOutcome::nodes_lost, 200), 1.0, 0.3);
  const PlannedOutcome outcome = simulate(run, 3);
  EXPECT_EQ(outcome.restarts, outcome.nodes_lost);
  EXPECT_EQ(outcome.deaths, 0);
}

TEST(PlannedRun, AHangCostsRankTimeout) {
  PlannedRun run = run_of_eight();
  run.ranks = 2;
  run.plan = {200 * 100, 100};
  run.rank_mtbf = 3'000;
  run.rank_timeout = 200;
  run.survives_deaths = false;  // so that it is waited for
  PlannedRun hanging = run;
  hanging.hangs = 1;
  for (int seed = 0; seed < 20; ++seed) {
    const PlannedOutcome outcome = simulate(hanging, seed);
    EXPECT_EQ(outcome.hangs, outcome.deaths);
    EXPECT_GE(outcome.makespan, 1009 + 100.0 * static_cast<double>(outcome.restarts));
  }
  EXPECT_GT(forecast(hanging, 40, 1, 3).makespan.p95, forecast(run, 40, 1, 3).makespan.p95 + 50);
}

TEST(PlannedRun, SparesStepIn) {
  PlannedRun run = run_of_eight();
  run.rank_mtbf = 3'000;
  PlannedRun spared = run;
  spared.spares = 4;
  const Forecast without = forecast(run, 20, 1, 3);
  const Forecast with = forecast(spared, 20, 1, 3);
  EXPECT_GT(with.spares_called.median, 0);
  EXPECT_LT(with.makespan.median, without.makespan.median - 50);
}

TEST(PlannedRun, NoHeadwayIsNoticed) {
  PlannedRun run = run_of_eight();
  run.rank_mtbf = 0.05;
  EXPECT_FALSE(simulate(run, 1).ended);
}

TEST(PlannedRun, ThousandsOfRanks) {
  PlannedRun run = run_of_eight();
  run.ranks = 4096;
  run.plan = {100'000 * 64, 64};
  run.batch_size = 64;
  run.rank_mtbf = 20'000;
  const PlannedOutcome outcome = simulate(run, 1);
  EXPECT_TRUE(outcome.ended);
  EXPECT_NEAR(static_cast<double>(outcome.deaths), 4096 * (outcome.makespan - 10) / 20'000, 30);
}

TEST(Forecast, MedianAndTail) {
  EXPECT_EQ(spread_of({3, 1, 2}).median, 2);
  EXPECT_EQ(spread_of({4, 1, 2, 3}).median, 2.5);
  std::vector<double> hundred;
  for (int i = 100; i >= 1; --i) hundred.push_back(i);
  EXPECT_EQ(spread_of(hundred).p95, 95);
  EXPECT_EQ(spread_of({7}).p95, 7);
}

TEST(Forecast, SharesOfRuns) {
  PlannedRun run = run_of_eight();
  run.node_mtbf = 300;
  run.ranks_per_node = 8;
  const Forecast result = forecast(run, 40, 1, 3);
  EXPECT_TRUE(result.ended);
  EXPECT_GT(result.restart_share, 0.8);
  EXPECT_GT(result.gave_up_share, 0.2);
  EXPECT_LT(result.gave_up_share, result.restart_share);
  EXPECT_NEAR(result.calm.makespan, 1010, 1);
}

}  // namespace
}  // namespace shardmill::simulation
