// shardmill plan JOB: needs the model, hence LibTorch, for the sizes of outputs; a sweep's trials are told here.
#include <cstdio>
#include <memory>

#include "cli/commands.hpp"
#include "cli/job_options.hpp"
#include "cli/launcher.hpp"
#include "cli/program.hpp"
#include "sweep/telling.hpp"

namespace shardmill::cli {
namespace {

ExitCode print(const job::Job& sweep) {
  std::printf("%s: nothing is run; %zu trials, on %d ranks at a time\n", sweep.name.c_str(), sweep.sweep.trials.size(),
              choose_ranks(sweep, 0));
  std::fputs(sweep::plan_text(sweep).c_str(), stdout);
  return ExitCode::done;
}

}  // namespace

void add_plan(CLI::App& app, Action& action) {
  auto options = std::make_shared<JobOptions>();
  CLI::App* command =
      app.add_subcommand("plan", "Show shards, batches, bytes and memory of a job; no record is computed");
  add_job_options(*command, *options);
  command->callback([options, &action] {
    action = [options]() -> ExitCode {
      const job::Job job = load_and_check(*options);
      if (job.kind == job::Kind::sweep) return print(job);
      refuse_unless_infer(job, "plan");
      std::vector<std::string> words = to_words(*options);
      words.insert(words.begin(), "plan");
      become_rank_program(words);
    };
  });
}

}  // namespace shardmill::cli
