// Starts mpirun for a run, watches it, and starts it again if it ends without the run's done mark.
#pragma once

#include <string>

#include "job/exit_codes.hpp"
#include "job/job.hpp"
#include "store/run_folder.hpp"

namespace shardmill::cli {

struct LaunchOptions {
  int ranks = 0;  // 0: as the job says, else the allocation's tasks, else a rank for each GPU, else cores / threads
  bool quiet = false;
  bool rehearsal = false;  // the job's faults, if it has any, are to be met
};

// Returns the run's outcome as its journal tells it; mpirun's exit code proves nothing. Signals: the first SIGINT,
// SIGTERM or SIGUSR1 asks the run to stop (exit code 75, resumable), a second SIGINT or SIGTERM ends it at once. Throws
// UsageError, StoreError.
ExitCode launch(const job::Job& job, const store::RunFolder& folder, const LaunchOptions& options);

int choose_ranks(const job::Job& job, int asked);

}  // namespace shardmill::cli
