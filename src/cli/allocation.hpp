// The batch system's allocation that this process runs in.
#pragma once

#include <optional>
#include <string>

namespace shardmill::cli {

struct Allocation {
  std::string job;  // Slurm's number
  int nodes = 1;
  int ranks_per_node = 1;  // Slurm calls them tasks
};

// From Slurm's environment; none outside of an allocation.
std::optional<Allocation> allocation_from_environment();

// A job that Slurm does not end with its first lost node (sbatch --no-kill) has fewer nodes afterwards than its
// environment says. Makes the environment say what Slurm says, for the next mpirun. Does nothing outside of an
// allocation, or if Slurm does not answer.
void follow_allocation();

}  // namespace shardmill::cli
