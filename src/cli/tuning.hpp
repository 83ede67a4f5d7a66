// Tries settings of a job that change its speed and not what it means.
#pragma once

#include <string>
#include <vector>

#include "cli/job_options.hpp"

namespace shardmill::cli {

struct Setting {
  std::int64_t batch_size = 1;
  int threads_per_rank = 1;
};

struct Tried {
  Setting setting;
  int ranks = 0;                  // as many as the machine has cores (or GPUs) for, all at once
  double records_per_second = 0;  // of all ranks together
  std::string problem;            // why it cannot be taken, or ""
};

// What is worth a try: batch sizes around the job's, with 1, 2, 4, ... threads a rank up to so many, and the job's own
// number. The job's own setting is the first.
std::vector<Setting> settings_to_try(const Setting& own, int most_threads);

// Whether two settings give equal results: up to what the precision lets differ when sums are taken in another order.
bool equal_results(const std::vector<double>& own, const std::vector<double>& other, bool full_precision);

// The overrides that make a job have the setting: "batch_size=64", ...
std::vector<std::string> to_overrides(const Setting& setting);

// Tries each for about `seconds`, in processes of their own; the job's own setting first. Throws UsageError if the job
// cannot be run as it is.
std::vector<Tried> tune(const JobOptions& options, double seconds);

// The fastest without a problem.
const Tried& best_of(const std::vector<Tried>& tried);

}  // namespace shardmill::cli
