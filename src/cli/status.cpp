// shardmill status RUN: what the journal says, also while the run goes on.
#include <cstdio>
#include <ctime>
#include <memory>

#include "cli/commands.hpp"
#include "infer/figures_summary.hpp"
#include "infer/run_files.hpp"
#include "job/load.hpp"

namespace shardmill::cli {
namespace {

struct StatusOptions {
  std::string run;
  bool json = false;
};

ExitCode status(const StatusOptions& options) {
  const store::RunFolder folder = store::open_run(options.run);
  const job::Job job = job::load_job(folder.job());
  report::Summary summary;
  summary.name = job.name;
  summary.run_dir = folder.path.string();
  summary.results = infer::results_path(job, folder).string();
  std::string state = "has not begun";
  if (const auto record = infer::read_run(folder, job.batch_size)) {
    const bool running = store::journal_in_use(store::posix_disk(), folder.journal());
    const auto& ended = record->ledger.ended();
    const double elapsed = running ? static_cast<double>(std::time(nullptr) - record->ledger.started_unix()) : 0;
    infer::fill(summary, record->ledger.figures(elapsed));
    if (ended) summary.outcome = ended->outcome;
    if (ended) summary.message = ended->message;
    state = running ? "running" : ended ? std::string(report::outcome_name(ended->outcome)) : "was cut off";
  }
  if (options.json) {
    std::fputs(report::to_json(summary, state).c_str(), stdout);
  } else {
    std::fputs(report::to_table(summary, state).c_str(), stdout);
  }
  return ExitCode::done;
}

}  // namespace

void add_status(CLI::App& app, Action& action) {
  auto options = std::make_shared<StatusOptions>();
  CLI::App* command = app.add_subcommand("status", "Show how far a run is, and its figures");
  command->add_option("run", options->run, "The run's folder")->required();
  command->add_flag("--json", options->json, "For programs");
  command->callback([options, &action] { action = [options] { return status(*options); }; });
}

}  // namespace shardmill::cli
