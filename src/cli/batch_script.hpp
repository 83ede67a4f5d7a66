// The batch scripts of a run: those of slurm/ with their marked places filled in.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "job/job.hpp"

namespace shardmill::cli {

// The tasks of an array: each computes one of `of` parts.
struct PartTasks {
  int of = 1;
  std::vector<int> indices;  // those to be computed by this job
};

// `program` is what the script calls, `output` the file for what it says. Throws StoreError if the template is not
// there or has lost its marks.
std::string batch_script(const job::Job& job, const std::filesystem::path& program, const std::filesystem::path& output,
                         const std::optional<PartTasks>& parts = {});
// The job that follows an array, and brings its parts together.
std::string finish_script(const job::Job& job, const std::filesystem::path& program,
                          const std::filesystem::path& output);

}  // namespace shardmill::cli
