// From the paths of a job file to files.
#pragma once

#include <filesystem>
#include <vector>

#include "job/job.hpp"

namespace shardmill::job {

// The folder that relative paths are relative to: the current one if all of `needed` exist there, else the job file's,
// else the nearest above that, else the first of these that has one of them, else the current one.
std::filesystem::path find_project(const std::filesystem::path& job_file,
                                   const std::vector<std::filesystem::path>& needed);

// Sets the project unless the job does, makes the job's paths absolute, and reports files that are missing, not
// regular or not readable, but for files below `later` that are missing (LoadOptions). Needs the job's locations.
void resolve_paths(Job& job, const std::filesystem::path& job_file, const std::filesystem::path& later,
                   Diagnostics& diagnostics);

// A file as a user would name it from where he stands: relative if it is in or below the current folder.
std::string shown_path(const std::filesystem::path& file);

}  // namespace shardmill::job
