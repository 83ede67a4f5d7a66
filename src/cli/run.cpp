// shardmill run JOB: starts mpirun itself, or is a rank where mpirun started it.
#include <cstdio>
#include <filesystem>
#include <memory>

#include "cli/allocation.hpp"
#include "cli/commands.hpp"
#include "cli/job_options.hpp"
#include "cli/launcher.hpp"
#include "cli/parts.hpp"
#include "cli/program.hpp"
#include "cli/run_record.hpp"
#include "cli/tuning.hpp"
#include "comm/placement.hpp"
#include "infer/run_files.hpp"
#include "job/crash_point.hpp"
#include "job/error.hpp"
#include "job/rehearsal.hpp"
#include "serve/idle_state.hpp"
#include "store/run_folder.hpp"

namespace shardmill::cli {
namespace {

struct RunOptions {
  JobOptions job;
  LaunchOptions launch;
  std::string run_dir;
  bool tune = false;
};

constexpr double seconds_a_setting = 0.5;

// The job with the setting that is the fastest here. It becomes part of the run: a resume goes on with it, untuned.
JobOptions tuned(const RunOptions& options) {
  const std::vector<Tried> tried = tune(options.job, seconds_a_setting);
  const Tried& best = best_of(tried);
  JobOptions job = options.job;
  job.overrides.emplace_back("tune=false");
  for (std::string& override : to_overrides(best.setting)) {
    if (!options.launch.quiet) std::printf("tuned: %s\n", override.c_str());
    job.overrides.push_back(std::move(override));
  }
  return job;
}

ExitCode run(const RunOptions& options) {
  if (comm::placement_from_environment().size > 0) {
    if (options.launch.ranks > 0)
      throw UsageError("--ranks is for starting mpirun; here mpirun -np has set the number of ranks");
    if (options.tune) refuse_tuning("under an mpirun of your own");
    std::vector<std::string> words = to_words(options.job);
    words.insert(words.begin(), "run");
    if (!options.run_dir.empty()) words.insert(words.end(), {"--run-dir", options.run_dir});
    if (options.launch.quiet) words.emplace_back("--quiet");
    become_rank_program(words);
  }
  check_fault_environment();
  if (!options.job.part.empty() && options.run_dir.empty())
    throw UsageError("--part needs --run-dir, the folder of the run that all parts fill");
  job::Job job = load_and_check(options.job);
  if (options.tune || job.tune) {
    if (job.part) refuse_tuning("with --part: all parts need one setting");
    job = load_and_check(tuned(options));
  }
  const int ranks = choose_ranks(job, options.launch.ranks);
  std::filesystem::path dir = std::filesystem::absolute(
      options.run_dir.empty() ? "runs/" + store::new_run_name("runs", job.name) : options.run_dir);
  if (job.part) dir = begin_part(options.job, dir, job).path;
  const store::RunFolder folder = store::create_run(store::posix_disk(), dir, job.resolved_yaml);
  if (!options.launch.quiet) {
    const auto allocation = allocation_from_environment();
    const std::string nodes = allocation ? " on " + std::to_string(allocation->nodes) + " nodes" : "";
    std::printf("%s: %d ranks%s, run folder %s\n", job.name.c_str(), ranks, nodes.c_str(), folder.path.c_str());
    std::fflush(stdout);
  }
  LaunchOptions launch_options = options.launch;
  launch_options.rehearsal = job.faults.has_value();
  job::arm_rehearsal(job);
  const ExitCode outcome = launch(job, folder, launch_options);
  if (outcome == ExitCode::bad_job) {  // nothing was begun
    if (job.serve.idle_job) store::remove_run(serve::idle_run_of(folder));
    store::remove_run(folder);
  }
  if (!job.faults) return outcome;
  const auto record = read_record(job, folder);
  const job::Verdict verdict = job::judge_rehearsal(*job.faults, outcome, record ? record->summary.faults : 0,
                                                    record ? record->summary.faults_recovered : 0);
  if (verdict.as_expected) return ExitCode::done;
  std::fprintf(stderr, "shardmill: error: the rehearsal went %s\n", verdict.text.c_str());
  return ExitCode::failed;
}

}  // namespace

void add_run(CLI::App& app, Action& action) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command =
      app.add_subcommand("run", "Run a job: on this machine's GPUs or cores, or as a rank under mpirun");
  add_job_options(*command, options->job);
  command
      ->add_option("-n,--ranks", options->launch.ranks, "Number of ranks (default: the job's, else GPUs, else cores)")
      ->check(CLI::Range(1, 1 << 20));
  add_part_option(*command, options->job.part);
  command->add_option("--run-dir", options->run_dir, "The run's folder (default: runs/<name>-<id>)");
  command->add_flag("--tune", options->tune, "First find the fastest batch size and threads a rank on this machine");
  command->add_flag("-q,--quiet", options->launch.quiet, "Only errors");
  command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace shardmill::cli
