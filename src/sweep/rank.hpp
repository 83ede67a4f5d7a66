// A rank's whole life in a sweep, from MPI_Init to its exit.
#pragma once

#include "report/rank_options.hpp"

namespace shardmill::sweep {

// Collective: all ranks of an mpirun call it, with the same job. Does not return: ends the process with the run's exit
// code. Errors are one sentence on standard error, after "shardmill: error: ".
[[noreturn]] void run_rank(const report::RankOptions& options);

}  // namespace shardmill::sweep
