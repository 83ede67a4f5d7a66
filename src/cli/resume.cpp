// shardmill resume RUN: goes on from what the journal says is done, with any number of ranks.
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "cli/commands.hpp"
#include "cli/launcher.hpp"
#include "comm/placement.hpp"
#include "infer/run_files.hpp"
#include "job/error.hpp"
#include "job/load.hpp"

namespace shardmill::cli {
namespace {

struct ResumeOptions {
  std::string run;
  LaunchOptions launch;
};

// A run that was killed a moment ago takes a moment to die: large processes give up their files late.
bool in_use(const store::RunFolder& folder) {
  for (int tries = 0; store::journal_in_use(store::posix_disk(), folder.journal()); ++tries) {
    if (tries == 30) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return false;
}

ExitCode resume(const ResumeOptions& options) {
  if (comm::placement_from_environment().size > 0) {
    throw UsageError("resume starts mpirun itself: call it without mpirun");
  }
  const store::RunFolder folder = store::open_run(options.run);
  const job::Job job = job::load_job(folder.job());
  if (const auto record = infer::read_run(folder, job.batch_size)) {
    if (in_use(folder)) {
      throw UsageError(folder.path.string() + " is running; `shardmill status` shows how far it is");
    }
    const auto& ended = record->ledger.ended();
    if (ended && (ended->outcome == ExitCode::done || ended->outcome == ExitCode::quarantined)) {
      if (!options.launch.quiet) std::printf("%s is done already\n", folder.path.c_str());
      return ended->outcome;
    }
    if (!options.launch.quiet) {
      const coordinator::Figures figures = record->ledger.figures();
      std::printf("%s: %lld of %lld records are done; going on\n", job.name.c_str(),
                  static_cast<long long>(figures.records_done), static_cast<long long>(figures.records));
      std::fflush(stdout);
    }
  }
  return launch(job, folder, options.launch);
}

}  // namespace

void add_resume(CLI::App& app, Action& action) {
  auto options = std::make_shared<ResumeOptions>();
  CLI::App* command = app.add_subcommand("resume", "Go on with a run that was cut off, stopped or failed");
  command->add_option("run", options->run, "The run's folder")->required();
  command->add_option("-n,--ranks", options->launch.ranks, "Number of ranks; any, not only the one it began with")
      ->check(CLI::Range(1, 1 << 20));
  command->add_flag("-q,--quiet", options->launch.quiet, "Only errors");
  command->callback([options, &action] { action = [options] { return resume(*options); }; });
}

}  // namespace shardmill::cli
