// A merged tree of YAML values -> Job: the last part of load_job.
#pragma once

#include <filesystem>

#include "job/job.hpp"
#include "job/node.hpp"

namespace shardmill::job {

// Everything of the job but resolved_yaml. `file` is where it was written, `later` as in LoadOptions. What is wrong is
// added to the diagnostics.
Job read_tree(const Node& root, const std::filesystem::path& file, const std::filesystem::path& later,
              Diagnostics& diagnostics);

}  // namespace shardmill::job
