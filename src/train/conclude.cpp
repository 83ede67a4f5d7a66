#include "train/conclude.hpp"

#include <cstdio>

#include "comm/rank_process.hpp"
#include "job/error.hpp"
#include "job/rehearsal.hpp"

namespace shardmill::train {

ExitCode conclude(report::Summary summary, const store::RunFolder& folder, const report::RankOptions& options,
                  bool begun, const Telling& telling) {
  job::Verdict verdict;
  if (options.rehearsal && options.job.faults) {
    verdict = job::judge_rehearsal(*options.job.faults, summary.outcome, summary.faults, summary.faults_recovered);
    summary.rehearsal = verdict.text;
  }
  try {
    store::write_file(store::posix_disk(), folder.summary(), telling.json(summary));
  } catch (const Error& error) {
    comm::print_error("the run has ended as it says, but without a summary: " + std::string(error.what()));
  }
  if (options.print_summary && begun) {
    std::fputs(telling.table(summary).c_str(), stdout);
    std::fflush(stdout);
  }
  if (summary.outcome == ExitCode::failed || summary.outcome == ExitCode::bad_job) comm::print_error(summary.message);
  if (summary.rehearsal.empty()) return summary.outcome;
  if (options.fresh && !verdict.as_expected) comm::print_error("the rehearsal went " + verdict.text);
  return verdict.as_expected ? ExitCode::done : ExitCode::failed;
}

}  // namespace shardmill::train
