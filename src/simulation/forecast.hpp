// Many simulated runs of one plan, and how their figures spread.
#pragma once

#include <cstdint>
#include <vector>

#include "simulation/planned_run.hpp"

namespace shardmill::simulation {

struct Spread {
  double median = 0;
  double p95 = 0;  // 95 of 100 runs have no more
};
// Of at least one value.
Spread spread_of(std::vector<double> values);

struct Forecast {
  bool ended = true;    // false: some run made no headway; the figures are then of no use
  PlannedOutcome calm;  // nobody dies
  int runs = 0;
  Spread makespan;
  Spread busy_share;  // p95: 95 of 100 runs have no less
  Spread deaths;
  Spread nodes_lost;
  Spread takeovers;
  Spread restarts;
  Spread spares_called;
  Spread records_again;  // computed more than once
  Spread records_quarantined;
  Spread ranks_lost;         // of the last mpirun's, at the end
  double restart_share = 0;  // of the runs: mpirun was started again at least once
  double gave_up_share = 0;  // of the runs: more often than max_restarts
};

// Seeds seed, seed + 1, ... Ends early where a run makes no headway.
Forecast forecast(const PlannedRun& run, int runs, std::uint64_t seed, int max_restarts);

}  // namespace shardmill::simulation
