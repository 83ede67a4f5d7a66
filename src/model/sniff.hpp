// What a model file claims to be, by a look at its first bytes; without LibTorch, so that the front door can say early
// that a text file is no model.
#pragma once

#include "job/diagnostics.hpp"
#include "job/job.hpp"

namespace shardmill::model {

// Adds a diagnostic at model.path (of each model of a server) if the file cannot be a model of its format (not a zip
// archive, empty, truncated: no end-of-archive record, or lacking the entries that the format has). Suggests the right
// format if it is another one.
void check(const job::Job& job, job::Diagnostics& diagnostics);

}  // namespace shardmill::model
