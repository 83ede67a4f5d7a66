// What `shardmill simulate` says, for people and for programs.
#pragma once

#include <cstdint>
#include <string>

#include "report/summary.hpp"
#include "simulation/forecast.hpp"

namespace shardmill::cli {

struct SimulationTitle {
  std::string job;
  std::uint64_t seed = 1;
  int max_restarts = 0;
};

std::string to_table(const SimulationTitle& title, const simulation::PlannedRun& run,
                     const simulation::Forecast& forecast);
std::string to_json(const SimulationTitle& title, const simulation::PlannedRun& run,
                    const simulation::Forecast& forecast);

}  // namespace shardmill::cli
