// Thousands of runs of the coordinator in a fake world, each from a seed. A failure prints how to run just its seed.
#include <cstdlib>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "simulation/world.hpp"

namespace shardmill::simulation {
namespace {

std::optional<std::uint64_t> number_in(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr || *text == '\0') return std::nullopt;
  return std::strtoull(text, nullptr, 10);
}

std::uint64_t how_many() {
#ifdef NDEBUG
  return number_in("SHARDMILL_SIM_SEEDS").value_or(10'000);
#else
  return number_in("SHARDMILL_SIM_SEEDS").value_or(1'000);
#endif
}

void check(std::uint64_t seed, int most_ranks) {
  const Scenario scenario = scenario_of(seed, most_ranks);
  std::string story;
  try {
    for (const std::string& violation : simulate(scenario).violations) story += "\n  " + violation;
  } catch (const std::exception& error) {
    story += std::string("\n  ") + error.what();
  }
  if (story.empty()) return;
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  ADD_FAILURE() << scenario.text() << story << "\nrun just this one: SHARDMILL_SIM_SEED=" << seed
                << " test_simulation --gtest_filter=Simulation." << test->name();
}

void check_seeds(std::uint64_t count, int most_ranks) {
  if (const auto seed = number_in("SHARDMILL_SIM_SEED")) {
    check(*seed, most_ranks);
    return;
  }
  for (std::uint64_t seed = 0; seed < count && !::testing::Test::HasFailure(); ++seed) check(seed, most_ranks);
}

TEST(Simulation, ManySchedulesOfFewRanks) { check_seeds(how_many(), 8); }
TEST(Simulation, SchedulesOfSomeRanks) { check_seeds(how_many() / 20, 64); }
TEST(Simulation, SchedulesOfHundredsOfRanks) { check_seeds(how_many() / 1000, 1000); }

TEST(Simulation, TenThousandRanks) {
  Scenario scenario = scenario_of(7, 8);
  scenario.ranks = 10'000;
  scenario.slots = 2;
  scenario.most_slots = 16;
  scenario.plan = {800'000, 16};
  scenario.policy = {};
  scenario.policy.shard_timeout = 100;
  scenario.policy.batch_size = 4;
  scenario.poison = {{1234, Poison::crashes}, {400'000, Poison::throws}, {799'999, Poison::hangs}};
  scenario.slow_share = 0.01;
  scenario.slowness = 8;
  scenario.sync_seconds = 0.5;
  scenario.message_delay = 0.5;
  scenario.tick = 1;
  scenario.horizon = 40;
  scenario.deaths = 500;
  scenario.hangs = 200;
  scenario.pauses = 50;
  scenario.failed_reads = 2;
  scenario.stops = 1;
  scenario.coordinator_deaths = 2;
  scenario.coordinator_pauses = 1;
  const Outcome outcome = simulate(scenario);
  EXPECT_TRUE(outcome.violations.empty()) << outcome.violations.front();
  EXPECT_EQ(outcome.exit_code, ExitCode::quarantined);
  EXPECT_EQ(outcome.figures.records_quarantined, 3);
}

// The same seed tells the same story, or a failure could not be looked at again.
TEST(Simulation, SameSeedSameRun) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Outcome one = simulate(scenario_of(seed, 8));
    const Outcome two = simulate(scenario_of(seed, 8));
    EXPECT_EQ(one.steps, two.steps);
    EXPECT_EQ(one.seconds, two.seconds);
    EXPECT_EQ(one.figures.faults, two.figures.faults);
  }
}

}  // namespace
}  // namespace shardmill::simulation
