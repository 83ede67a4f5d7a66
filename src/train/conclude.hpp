// The last words of a run, on the coordinator.
#pragma once

#include <functional>
#include <string>

#include "report/rank_options.hpp"
#include "report/summary.hpp"
#include "store/run_folder.hpp"

namespace shardmill::train {

// How a summary is told; a sweep has more to tell.
struct Telling {
  std::function<std::string(const report::Summary&)> json = [](const auto& s) { return report::to_json(s); };
  std::function<std::string(const report::Summary&)> table = [](const auto& s) { return report::to_table(s); };
};

// Judges a rehearsal, writes summary.json, prints the table (if the run has begun) and the error, if there was one. The
// exit code. Throws nothing.
ExitCode conclude(report::Summary summary, const store::RunFolder& folder, const report::RankOptions& options,
                  bool begun, const Telling& telling = {});

}  // namespace shardmill::train
