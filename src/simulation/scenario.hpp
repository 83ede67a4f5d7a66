// What happens in one simulated run: a pure function of a seed.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "coordinator/coordinator.hpp"

namespace shardmill::simulation {

enum class Poison { throws, crashes, hangs };  // what a record does to the model

struct Scenario {
  std::uint64_t seed = 0;  // of everything that is drawn on the way
  coordinator::Plan plan;
  coordinator::Policy policy;
  std::map<std::int64_t, Poison> poison;  // by record

  int ranks = 4;
  int slots = 2;          // that a rank asks for at first
  int most_slots = 2;     // and up to which it asks for twice as many whenever it runs dry
  double slow_share = 0;  // of the ranks
  double slowness = 1;    // of those

  coordinator::Seconds batch_seconds = 1;
  coordinator::Seconds sync_seconds = 0.1;   // at most
  coordinator::Seconds message_delay = 0.1;  // at most
  coordinator::Seconds tick = 0.5;
  bool survives_deaths = true;  // the MPI: else the first death of a rank ends all of them

  // How often each of these happens, at times drawn from [0, horizon).
  coordinator::Seconds horizon = 0;
  int deaths = 0;              // of ranks, of no record's fault
  int hangs = 0;               // of ranks: silent, later perhaps awake again
  int pauses = 0;              // a rank gives its leases back and takes none for a while
  int failed_reads = 0;        // a rank fails at a shard and lives on
  int stops = 0;               // of the run, resumed afterwards
  int coordinator_deaths = 0;  // with all ranks, or leaving them behind; once in a while with the machine
  int coordinator_pauses = 0;  // it hears and says nothing for longer than rank_timeout

  std::string text() const;  // one line
};

// `most_ranks` bounds the size of everything.
Scenario scenario_of(std::uint64_t seed, int most_ranks);

}  // namespace shardmill::simulation
