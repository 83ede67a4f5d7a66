// shardmill demo: the digits on three ranks, one of which is killed with SIGKILL on the way.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "cli/commands.hpp"
#include "cli/job_options.hpp"
#include "cli/launcher.hpp"
#include "cli/places.hpp"
#include "job/crash_point.hpp"
#include "job/fault_text.hpp"
#include "store/run_folder.hpp"

namespace shardmill::cli {
namespace {

ExitCode demo() {
  check_fault_environment();
  const bool own_faults = !environment_text("SHARDMILL_CRASH_AT").empty();
  JobOptions options;
  options.file = (share_dir() / "jobs/digits-infer.yaml").string();
  const job::Job job = load_and_check(options);
  const std::filesystem::path dir = std::filesystem::absolute("runs/" + store::new_run_name("runs", "demo"));
  const store::RunFolder folder = store::create_run(store::posix_disk(), dir, job.resolved_yaml);
  std::printf("%s: a CNN over real handwritten digits, on 3 ranks.\n%s\n\n", options.file.c_str(),
              own_faults ? "What SHARDMILL_CRASH_AT says will happen to them."
                         : "Rank 1 will be killed with SIGKILL in its second batch.");
  std::fflush(stdout);
  ::setenv("SHARDMILL_CRASH_AT", "mid-batch:1:2:SIGKILL", 0);
  LaunchOptions launch_options;
  launch_options.ranks = 3;
  const ExitCode outcome = launch(job, folder, launch_options);
  if (outcome == ExitCode::done) {
    std::printf(
        "\nEvery record is there, exactly once: `shardmill verify %s` recomputes the checksums,\n"
        "h5py opens %s.\n",
        std::filesystem::relative(folder.path).c_str(), std::filesystem::relative(folder.results()).c_str());
  }
  return outcome;
}

}  // namespace

void add_demo(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("demo", "Run the digits on three ranks and kill one of them on the way");
  command->callback([&action] { action = demo; });
}

}  // namespace shardmill::cli
