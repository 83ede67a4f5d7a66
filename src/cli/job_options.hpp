// The options that say which job: shared by every command that takes a job file.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "job/job.hpp"

namespace shardmill::cli {

struct JobOptions {
  std::string file;
  std::string profile;
  std::vector<std::string> overrides;
};

void add_job_options(CLI::App& command, JobOptions& options);

// Throws JobError.
job::Job load(const JobOptions& options);
// With all that can be told about dataset and model without LibTorch. Throws JobError with everything in one go.
job::Job load_and_check(const JobOptions& options);

// The same options, as words of a command line.
std::vector<std::string> to_words(const JobOptions& options);

}  // namespace shardmill::cli
