// A rank's whole life in a training job, from MPI_Init to its exit.
#pragma once

#include "report/rank_options.hpp"

namespace shardmill::train {

using report::RankOptions;

// Collective: all ranks of an mpirun call it, with the same job. Does not return: ends the process with the run's exit
// code. Errors are one sentence on standard error, after "shardmill: error: ".
[[noreturn]] void run_rank(const RankOptions& options);

}  // namespace shardmill::train
