// shardmill finish RUN: the parts of a run become one result.
#include "infer/finish.hpp"

#include <cstdio>
#include <memory>

#include "cli/commands.hpp"
#include "cli/parts.hpp"

namespace shardmill::cli {

ExitCode finish(const store::RunFolder& run, bool quiet) {
  const job::Job job = job_of(run);
  const report::Summary summary = infer::finish_run(job, run);
  if (!quiet) std::fputs(report::to_table(summary).c_str(), stdout);
  return summary.outcome;
}

void add_finish(CLI::App& app, Action& action) {
  auto run = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("finish", "Check that all parts of a run are there, and sum them up");
  command->add_option("run", *run, "The folder of the whole run")->required();
  command->callback([run, &action] { action = [run] { return finish(store::open_run(*run), /*quiet=*/false); }; });
}

}  // namespace shardmill::cli
