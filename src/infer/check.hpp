// Is a job fit to run? All that can be told without LibTorch and without starting a rank.
#pragma once

#include "job/diagnostics.hpp"
#include "job/job.hpp"

namespace shardmill::infer {

// Adds what is wrong with the dataset, the model file, and the place of the results.
void check(const job::Job& job, job::Diagnostics& diagnostics);

}  // namespace shardmill::infer
