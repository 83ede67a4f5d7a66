// What mpirun starts: a rank of a run.
#include <filesystem>
#include <map>
#include <memory>

#include "cli/commands.hpp"
#include "cli/job_options.hpp"
#include "infer/rank.hpp"
#include "job/load.hpp"
#include "store/run_folder.hpp"

namespace shardmill::cli {

// The front door has made the run's folder.
void add_rank_run_folder(CLI::App& app, Action& action) {
  auto options = std::make_shared<infer::RankOptions>();
  auto run = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("run-folder", "Be a rank of the run in this folder");
  command->add_option("run", *run)->required();
  const std::map<std::string, report::ProgressStyle> styles{{"none", report::ProgressStyle::none},
                                                            {"lines", report::ProgressStyle::lines},
                                                            {"bar", report::ProgressStyle::bar}};
  command->add_option("--progress", options->progress)->transform(CLI::CheckedTransformer(styles));
  command->add_flag("!--no-summary", options->print_summary);
  command->callback([options, run, &action] {
    action = [options, run]() -> ExitCode {
      options->run_dir = *run;
      options->job = job::load_job(store::open_run(*run).job());
      infer::run_rank(*options);
    };
  });
}

// mpirun was started by hand: `mpirun -np 8 shardmill run JOB`.
void add_rank_run(CLI::App& app, Action& action) {
  auto job = std::make_shared<JobOptions>();
  auto run_dir = std::make_shared<std::string>();
  auto quiet = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("run", "Be a rank of a new run");
  add_job_options(*command, *job);
  command->add_option("--run-dir", *run_dir);
  command->add_flag("--quiet", *quiet);
  command->callback([job, run_dir, quiet, &action] {
    action = [job, run_dir, quiet]() -> ExitCode {
      infer::RankOptions options;
      options.job = load_and_check(*job);
      options.run_dir = std::filesystem::absolute(
          run_dir->empty() ? "runs/" + store::new_run_name("runs", options.job.name) : *run_dir);
      options.fresh = true;
      options.progress = *quiet ? report::ProgressStyle::none : report::ProgressStyle::lines;
      options.print_summary = !*quiet;
      infer::run_rank(options);
    };
  });
}

}  // namespace shardmill::cli
