// shardmill validate JOB: everything that is wrong with it, in one go; nothing is run.
#include <cstdio>
#include <memory>

#include "cli/commands.hpp"
#include "cli/job_options.hpp"

namespace shardmill::cli {

void add_validate(CLI::App& app, Action& action) {
  auto options = std::make_shared<JobOptions>();
  auto show = std::make_shared<bool>(false);
  CLI::App* command =
      app.add_subcommand("validate", "Check a job file, its dataset and its model, without running anything");
  add_job_options(*command, *options);
  command->add_flag("--show", *show, "Print the job as it is resolved: profile, overrides, environment and defaults");
  command->callback([options, show, &action] {
    action = [options, show] {
      const job::Job job = load_and_check(*options);
      if (*show) {
        std::fputs(job.resolved_yaml.c_str(), stdout);
      } else {
        std::printf("%s: ok\n", options->file.c_str());
      }
      return ExitCode::done;
    };
  });
}

}  // namespace shardmill::cli
