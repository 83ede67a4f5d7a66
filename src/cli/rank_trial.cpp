// One process of `shardmill tune`: says how fast it was as JSON.
#include <cstdio>
#include <memory>

#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/job_options.hpp"
#include "infer/trial.hpp"

namespace shardmill::cli {

void add_rank_trial(CLI::App& app, Action& action) {
  struct TrialOptions {
    JobOptions job;
    double seconds = 1;
  };
  auto options = std::make_shared<TrialOptions>();
  CLI::App* command = app.add_subcommand("trial", "Compute a job's first batches over and over, and say how fast");
  add_job_options(*command, options->job);
  command->add_option("--seconds", options->seconds, "For how long");
  command->callback([options, &action] {
    action = [options] {
      const infer::Trial trial = infer::run_trial(load(options->job), options->seconds);
      const nlohmann::json answer = {{"records_per_second", trial.records_per_second}, {"sample", trial.sample}};
      std::puts(answer.dump().c_str());
      return ExitCode::done;
    };
  });
}

}  // namespace shardmill::cli
