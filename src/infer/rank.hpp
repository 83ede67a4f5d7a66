// A rank's whole life, from MPI_Init to its exit.
#pragma once

#include <string>

#include "report/rank_options.hpp"

namespace shardmill::infer {

using report::RankOptions;

// Collective: all ranks of an mpirun call it, with the same job. Does not return: ends the process with the run's exit
// code. Errors are one sentence on standard error, after "shardmill: error: ".
[[noreturn]] void run_rank(const RankOptions& options);

// Versions of what is loaded: "shardmill 0.1.0, LibTorch 2.11.0, Open MPI v5.0.11, HDF5 1.10.8".
std::string versions_text();

}  // namespace shardmill::infer
