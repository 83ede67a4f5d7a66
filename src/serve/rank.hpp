// A rank's whole life in a server, from MPI_Init to its exit. Rank 0 is the front and runs no model, so that no request
// can kill it; the others run the model, and the last of them are spares.
#pragma once

#include "report/rank_options.hpp"

namespace shardmill::serve {

using report::RankOptions;

// Seconds that the front gives a rank for a batch.
inline double batch_timeout(const job::Job& job) { return job.fault_tolerance.batch_timeout.value_or(60); }

// Collective: all ranks of an mpirun call it, with the same job. Does not return: ends the process with the run's exit
// code. Errors are one sentence on standard error, after "shardmill: error: ".
[[noreturn]] void run_rank(const RankOptions& options);

}  // namespace shardmill::serve
