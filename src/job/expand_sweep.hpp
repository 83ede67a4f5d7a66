// From a sweep's parameters to its trials: train jobs, each complete and checked.
#pragma once

#include <filesystem>

#include "job/job.hpp"
#include "job/node.hpp"

namespace shardmill::job {

// Where a sweep names its train job by a path, puts the tree of that file in its place. The path is relative to the
// folder of `file`, the sweep's own. Does nothing for other jobs, and for a path that still holds ${...}.
void include_trial(Node& root, const std::filesystem::path& file, Diagnostics& diagnostics);

// A profile's keys are defaults: those of a sweep under the sweep, all others under its train job.
void merge_profile(Node& root, const Node& profile);

// Makes job.sweep.trials from what read_job has read of the tree, in the order of the grid (the last key changes
// fastest) or of the draws. What is wrong with a trial is told with its place and number; what is wrong with all of
// them, once. The project, and the threads of a rank where the sweep does not say them, are those of the first trial.
void expand_trials(Job& job, const Node& root, const std::filesystem::path& file, const std::filesystem::path& later,
                   Diagnostics& diagnostics);

// "0007"
std::string trial_name(std::int64_t number);

}  // namespace shardmill::job
