// shardmill run JOB: starts mpirun itself, or is a rank where mpirun started it.
#include <cstdio>
#include <filesystem>
#include <memory>

#include "cli/commands.hpp"
#include "cli/job_options.hpp"
#include "cli/launcher.hpp"
#include "cli/program.hpp"
#include "comm/placement.hpp"
#include "job/crash_point.hpp"
#include "job/error.hpp"
#include "store/run_folder.hpp"

namespace shardmill::cli {
namespace {

struct RunOptions {
  JobOptions job;
  LaunchOptions launch;
  std::string run_dir;
};

ExitCode run(const RunOptions& options) {
  if (comm::placement_from_environment().size > 0) {
    if (options.launch.ranks > 0)
      throw UsageError("--ranks is for starting mpirun; here mpirun -np has set the number of ranks");
    std::vector<std::string> words = to_words(options.job);
    words.insert(words.begin(), "run");
    if (!options.run_dir.empty()) words.insert(words.end(), {"--run-dir", options.run_dir});
    if (options.launch.quiet) words.emplace_back("--quiet");
    become_rank_program(words);
  }
  arm_crash_points(-1);  // none is this process's; a mistyped one is told now
  const job::Job job = load_and_check(options.job);
  const std::filesystem::path dir = std::filesystem::absolute(
      options.run_dir.empty() ? "runs/" + store::new_run_name("runs", job.name) : options.run_dir);
  const store::RunFolder folder = store::create_run(store::posix_disk(), dir, job.resolved_yaml);
  if (!options.launch.quiet) {
    std::printf("%s: %d ranks, run folder %s\n", job.name.c_str(), choose_ranks(job, options.launch.ranks),
                folder.path.c_str());
    std::fflush(stdout);
  }
  return launch(job, folder, options.launch);
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
  command->add_option("--run-dir", options->run_dir, "The run's folder (default: runs/<name>-<id>)");
  command->add_flag("-q,--quiet", options->launch.quiet, "Only errors");
  command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace shardmill::cli
