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
  std::string part;             // "2/3"; empty: all of it
  std::filesystem::path later;  // as in job::LoadOptions
};

void add_job_options(CLI::App& command, JobOptions& options);

void add_part_option(CLI::App& command, std::string& part);

// Throws JobError; UsageError for a part that is none, or that the job file names by itself.
job::Job load(const JobOptions& options);
// With all that can be told about dataset and model without LibTorch. Throws JobError with everything in one go.
job::Job load_and_check(const JobOptions& options);
void check(const job::Job& job);
// The job for ranks without requests that a server's job names, checked likewise. Throws JobError.
job::Job load_idle_job(const job::Job& server);
// A job cannot be tuned (--tune, or its key `tune`) there: throws UsageError.
[[noreturn]] void refuse_tuning(const std::string& there);
// For commands that only inference jobs have. Throws UsageError for another kind.
void refuse_unless_infer(const job::Job& job, const std::string& command);
// For commands that only inference jobs have. Throws UsageError for another kind.
job::Job load_infer_and_check(const JobOptions& options, const std::string& command);

// The same options, as words of a command line.
std::vector<std::string> to_words(const JobOptions& options);

}  // namespace shardmill::cli
