// The trials of a sweep as text: for people, for spreadsheets, for programs.
#pragma once

#include <string>
#include <string_view>

#include "job/job.hpp"
#include "report/summary.hpp"
#include "store/run_folder.hpp"
#include "sweep/record.hpp"

namespace shardmill::sweep {

// The best first, then those that are not done; at most 20. And where the best one's checkpoint is.
std::string to_table(const job::Job& job, const store::RunFolder& run, const Table& table);
// trials.csv: a line each, in their order.
std::string to_csv(const job::Job& job, const store::RunFolder& run, const Table& table);
// The summary's JSON with `best` and `trials` in addition. state: as for report::to_json.
std::string to_json(const report::Summary& summary, std::string_view state, const job::Job& job,
                    const store::RunFolder& run, const Table& table);
// What would be tried, before anything is run.
std::string plan_text(const job::Job& job);

}  // namespace shardmill::sweep
