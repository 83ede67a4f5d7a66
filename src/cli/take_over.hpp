// A run whose journal is held by processes of a machine that is gone, or half dead.
#pragma once

#include <string>

#include "job/job.hpp"
#include "store/run_folder.hpp"

namespace shardmill::cli {

// Who runs it, as far as its folder tells, and what to do: for a message. Begins with "RUN is running".
std::string who_runs(const store::RunFolder& run);

// Takes the journal from whoever has it open: what they append from now on counts no more, and rows that they write are
// the same bytes. Looks first, for two rank_timeouts, whether anything of the run moves. Throws UsageError if it does,
// or if a process on this machine runs it.
void take_over(const job::Job& job, const store::RunFolder& run);

}  // namespace shardmill::cli
