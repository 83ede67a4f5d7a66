// A run that somebody plans: the real coordinator, with ranks that compute at a given speed and die at a given rate. By
// the shard and not by the batch as in world.hpp, so that thousands of ranks and days of a run take a second.
//
// What the model keeps and what it leaves out: docs/simulate.md.
#pragma once

#include <cstdint>
#include <limits>

#include "coordinator/coordinator.hpp"

namespace shardmill::simulation {

inline constexpr coordinator::Seconds never = std::numeric_limits<double>::infinity();

struct PlannedRun {
  coordinator::Plan plan;
  std::int64_t batch_size = 1;
  int max_attempts = 3;
  coordinator::Seconds rank_timeout = 10;
  int ranks = 1;
  int spares = 0;  // in addition

  coordinator::Seconds seconds_per_record = 1;  // of one rank
  double variation = 0.05;                      // a shard takes up to this share more or less

  coordinator::Seconds rank_mtbf = never;  // of one rank's process
  coordinator::Seconds node_mtbf = never;  // of one node
  int ranks_per_node = 1;
  double hangs = 0;             // share of the ranks' deaths that nobody is told of: found by rank_timeout
  bool survives_deaths = true;  // MPI with fault tolerance; else the first death ends the mpirun

  coordinator::Seconds start = 10;       // from the start of mpirun to the first lease: MPI, loading the model
  coordinator::Seconds notice = 0.05;    // from a process's death to the coordinator's knowing
  coordinator::Seconds takeover = 0.5;   // from the coordinator's death, once known, to leases by the next one
  coordinator::Seconds latency = 0.005;  // a message with the sync that it waits for
};

struct PlannedOutcome {
  bool ended = false;  // no: it made no headway, and was given up
  coordinator::Seconds makespan = 0;
  double busy_share = 0;    // of the time of all ranks that were started, as in a run's summary
  std::int64_t deaths = 0;  // of ranks by themselves, hangs included
  std::int64_t hangs = 0;
  std::int64_t nodes_lost = 0;
  std::int64_t takeovers = 0;  // of the coordinator's role by a survivor
  std::int64_t restarts = 0;   // of mpirun
  std::int64_t spares_called = 0;
  std::int64_t records_computed = 0;  // those computed again count again
  std::int64_t records_quarantined = 0;
  int ranks_alive = 0;  // at the end
  std::int64_t steps = 0;
};

// A pure function of its arguments, on every machine. Checks that there are ranks and positive times.
PlannedOutcome simulate(const PlannedRun& run, std::uint64_t seed);

}  // namespace shardmill::simulation
