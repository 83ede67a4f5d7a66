// What a rank of a run is told, whatever the kind of its job.
#pragma once

#include <filesystem>
#include <string>

#include "job/job.hpp"
#include "report/progress.hpp"

namespace shardmill::report {

struct RankOptions {
  job::Job job;
  // Only rank 0 looks at these. run_dir holds a run to begin or go on with, or (fresh) names the folder to make.
  std::filesystem::path run_dir;
  bool fresh = false;
  bool rehearsal = false;  // the job's faults are injected, and their outcome is judged
  ProgressStyle progress = ProgressStyle::none;
  bool print_summary = true;
  // This rank does not see what the run reads, and this is the reason; `job` may be empty then. Only for inference.
  std::string unsighted;
};

}  // namespace shardmill::report
