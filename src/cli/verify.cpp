// shardmill verify RUN: recomputes every checksum of the results.
#include "infer/verify.hpp"

#include <cstdio>
#include <memory>

#include "cli/commands.hpp"
#include "job/load.hpp"
#include "report/summary.hpp"

namespace shardmill::cli {
namespace {

ExitCode verify(const std::string& run) {
  const store::RunFolder folder = store::open_run(run);
  const infer::Verification found = infer::verify_run(job::load_job(folder.job()), folder);
  for (const std::string& problem : found.problems) std::fprintf(stderr, "shardmill: error: %s\n", problem.c_str());
  const std::string done =
      report::with_commas(found.shards_checked) + " of " + report::with_commas(found.shards) + " shards";
  if (!found.problems.empty()) {
    std::printf("%s: checked %s, %zu problems\n", folder.path.c_str(), done.c_str(), found.problems.size());
    return ExitCode::failed;
  }
  std::printf("%s: %s check out%s\n", folder.path.c_str(), done.c_str(),
              found.shards_checked < found.shards ? "; the others are not done yet" : "");
  return ExitCode::done;
}

}  // namespace

void add_verify(CLI::App& app, Action& action) {
  auto run = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("verify", "Recompute every checksum of a run's results");
  command->add_option("run", *run, "The run's folder")->required();
  command->callback([run, &action] { action = [run] { return verify(*run); }; });
}

}  // namespace shardmill::cli
