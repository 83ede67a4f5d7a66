// What this machine has to compute with.
#pragma once

#include "job/job.hpp"

namespace shardmill::cli {

// Those that this process may use; at least 1.
int cores();
// NVIDIA GPUs, without asking CUDA; 0 in a build without it.
int gpus();
// There are GPUs, and the job leaves them to a model.
bool runs_on_gpus(const job::Job& job);

}  // namespace shardmill::cli
