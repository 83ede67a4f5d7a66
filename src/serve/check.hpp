// A server's job against the files that it names, before anything starts. Free of LibTorch and MPI.
#pragma once

#include "job/diagnostics.hpp"
#include "job/job.hpp"

namespace shardmill::serve {

// Adds a diagnostic for each model file, certificate, key and file of tokens that cannot be what the job takes it for.
void check(const job::Job& job, job::Diagnostics& diagnostics);

}  // namespace shardmill::serve
