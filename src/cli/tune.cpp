// shardmill tune JOB: which batch size and number of threads are the fastest here.
#include <cstdio>
#include <memory>

#include "cli/commands.hpp"
#include "cli/tuning.hpp"
#include "report/summary.hpp"

namespace shardmill::cli {
namespace {

struct TuneOptions {
  JobOptions job;
  double seconds = 1;
};

ExitCode tune_job(const TuneOptions& options) {
  const std::vector<Tried> tried = tune(options.job, options.seconds);
  const Tried& best = best_of(tried);
  std::printf("  batch_size  threads_per_rank  ranks     records/s\n");
  for (const Tried& one : tried) {
    const auto speed = report::with_commas(static_cast<std::int64_t>(one.records_per_second));
    std::printf("%12s  %16d  %5d  %12s%s%s%s\n", report::with_commas(one.setting.batch_size).c_str(),
                one.setting.threads_per_rank, one.ranks, one.problem.empty() ? speed.c_str() : "-",
                one.problem.empty() ? "" : ("  " + one.problem).c_str(), &one == tried.data() ? "  as in the job" : "",
                &one == &best ? "  fastest" : "");
  }
  const double gain = best.records_per_second / tried.front().records_per_second;
  if (&best == tried.data()) {
    std::printf("The job is as fast as any of these.\n");
  } else {
    std::printf("%.2f times as fast as the job with:\n", gain);
    std::printf("batch_size: %lld\nresources: {threads_per_rank: %d}\n",
                static_cast<long long>(best.setting.batch_size), best.setting.threads_per_rank);
  }
  return ExitCode::done;
}

}  // namespace

void add_tune(CLI::App& app, Action& action) {
  auto options = std::make_shared<TuneOptions>();
  CLI::App* command =
      app.add_subcommand("tune", "Find the batch size and threads a rank with which a job is fastest on this machine");
  add_job_options(*command, options->job);
  command->add_option("--seconds", options->seconds, "For each setting (default: 1)")->check(CLI::Range(0.01, 3600.0));
  command->callback([options, &action] { action = [options] { return tune_job(*options); }; });
}

}  // namespace shardmill::cli
