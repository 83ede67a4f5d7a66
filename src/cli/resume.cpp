// shardmill resume RUN: goes on from what the journal says is done, with any number of ranks.
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <thread>

#include "cli/commands.hpp"
#include "cli/job_options.hpp"
#include "cli/launcher.hpp"
#include "cli/parts.hpp"
#include "cli/run_record.hpp"
#include "cli/take_over.hpp"
#include "comm/placement.hpp"
#include "job/crash_point.hpp"
#include "job/error.hpp"
#include "job/load.hpp"
#include "store/journal.hpp"

namespace shardmill::cli {
namespace {

struct ResumeOptions {
  std::string run;
  std::string part;
  bool take_over = false;
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

ExitCode resume_one(const store::RunFolder& folder, const LaunchOptions& options, bool take) {
  const job::Job job = job::load_job(folder.job());
  if (const auto record = read_record(job, folder)) {
    if (in_use(folder)) {
      if (!take) throw UsageError(who_runs(folder));
      take_over(job, folder);
    }
    std::error_code error;
    // A server has never done all that it could: one that was stopped starts again.
    const bool serves = job.kind == job::Kind::serve;
    if (!serves && is_done(*record) && std::filesystem::exists(folder.summary(), error)) {
      if (!options.quiet) std::printf("%s is done already\n", folder.path.c_str());
      return *record->ended;
    }
    if (!options.quiet && !serves) {
      std::printf("%s: %lld of %lld %s are done; going on\n", job.name.c_str(),
                  static_cast<long long>(record->summary.records_done), static_cast<long long>(record->summary.records),
                  record->summary.wording.requests.c_str());
      std::fflush(stdout);
    }
  } else {
    check(job);  // submitted, perhaps before all was there that it reads
  }
  return launch(job, folder, options);
}

// Computes here what the parts lack, one after the other, and brings them together.
ExitCode resume_parts(const store::RunFolder& run, const LaunchOptions& options, bool take) {
  const auto record = read_record(job_of(run), run);
  std::error_code error;
  if (record && is_done(*record) && std::filesystem::exists(run.summary(), error)) {
    if (!options.quiet) std::printf("%s is done already\n", run.path.c_str());
    return *record->ended;
  }
  for (const PartStatus& status : parts_status(run, /*ask_slurm=*/false)) {
    if (status.done()) continue;
    if (!options.quiet) std::printf("part %s\n", to_text(status.part).c_str());
    const ExitCode outcome = resume_one(open_part(run, status.part), options, take);
    if (outcome != ExitCode::done && outcome != ExitCode::quarantined) return outcome;
  }
  return finish(run, options.quiet);
}

ExitCode resume(const ResumeOptions& options) {
  if (comm::placement_from_environment().size > 0) {
    throw UsageError("resume starts mpirun itself: call it without mpirun");
  }
  check_fault_environment();
  const store::RunFolder folder = store::open_run(options.run);
  if (!options.part.empty())
    return resume_one(open_part(folder, part_of(options.part)), options.launch, options.take_over);
  if (store::parts_of(folder)) return resume_parts(folder, options.launch, options.take_over);
  return resume_one(folder, options.launch, options.take_over);
}

}  // namespace

void add_resume(CLI::App& app, Action& action) {
  auto options = std::make_shared<ResumeOptions>();
  CLI::App* command = app.add_subcommand("resume", "Go on with a run that was cut off, stopped or failed");
  command->add_option("run", options->run, "The run's folder")->required();
  command->add_option("-n,--ranks", options->launch.ranks, "Number of ranks; any, not only the one it began with")
      ->check(CLI::Range(1, 1 << 20));
  add_part_option(*command, options->part);
  command->add_flag("--take-over", options->take_over,
                    "Also if a machine that is gone, or hangs, still has the run locked");
  command->add_flag("-q,--quiet", options->launch.quiet, "Only errors");
  command->callback([options, &action] { action = [options] { return resume(*options); }; });
}

}  // namespace shardmill::cli
