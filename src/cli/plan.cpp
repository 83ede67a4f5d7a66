// shardmill plan JOB: needs the model, hence LibTorch, for the sizes of outputs.
#include <memory>

#include "cli/commands.hpp"
#include "cli/job_options.hpp"
#include "cli/program.hpp"

namespace shardmill::cli {

void add_plan(CLI::App& app, Action& action) {
  auto options = std::make_shared<JobOptions>();
  CLI::App* command =
      app.add_subcommand("plan", "Show shards, batches, bytes and memory of a job; no record is computed");
  add_job_options(*command, *options);
  command->callback([options, &action] {
    action = [options]() -> ExitCode {
      load_and_check(*options);
      std::vector<std::string> words = to_words(*options);
      words.insert(words.begin(), "plan");
      become_rank_program(words);
    };
  });
}

}  // namespace shardmill::cli
