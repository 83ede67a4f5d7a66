#pragma once

#include "job/diagnostics.hpp"
#include "job/job.hpp"

namespace shardmill::sweep {

// What `shardmill validate` can tell of the trials' datasets and models without LibTorch. Trials that read the same are
// looked at once.
void check(const job::Job& job, job::Diagnostics& diagnostics);

}  // namespace shardmill::sweep
