// YAML job file -> Job. Pure but for reading the named files and the environment; any rank or thread may call.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "job/job.hpp"

namespace shardmill::job {

struct LoadOptions {
  // Profile name ("workstation": configs/workstation.yaml, looked for in the project's configs/ and then in
  // config_dir) or a path to a YAML file. Its keys are defaults under the job's.
  std::optional<std::string> profile;
  std::vector<std::string> overrides;  // "batch_size=32", "fault_tolerance.max_attempts=5"; win over the job's
  std::filesystem::path config_dir;    // the installed configs/
  // Files below this folder may be missing: a job that runs first is to make them. "/": any, they are not looked at.
  std::filesystem::path later = {};
};

// Bounds on what is read, so that a hostile or mistaken file costs milliseconds.
inline constexpr std::size_t max_job_bytes = 1 << 20;
inline constexpr int max_job_depth = 32;
inline constexpr std::size_t max_job_nodes = 100'000;  // counted after aliases are followed

// Throws JobError with every problem found. Files named in the job (model, dataset) must exist and be readable; what
// is inside them is checked by dataset::check and model::check.
Job load_job(const std::filesystem::path& file, const LoadOptions& options = {});

}  // namespace shardmill::job
