// shardmill cancel RUN: stops a run's batch job so that it can go on later.
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>
#include <vector>

#include "cli/child.hpp"
#include "cli/commands.hpp"
#include "cli/parts.hpp"
#include "cli/slurm_job.hpp"
#include "job/error.hpp"
#include "store/run_folder.hpp"

namespace shardmill::cli {
namespace {

constexpr std::chrono::seconds patience{120};
constexpr std::chrono::milliseconds between_looks{500};

void ask_slurm(const std::vector<std::string>& words) {
  const ChildOutput answer = call(words);
  if (answer.code != 0) throw UsageError("Slurm refused `" + words.front() + "`: " + answer.err);
}

bool is_alive(const SlurmState& state) { return !state.is_over(); }

// That of the run, and of a run in parts those of the parts.
std::vector<std::string> jobs_of(const store::RunFolder& run) {
  std::vector<std::string> jobs;
  if (const auto job = slurm_job_of(run)) jobs.push_back(*job);
  for (const PartStatus& part : parts_status(run, /*ask_slurm=*/false)) {
    if (const auto job = slurm_job_of(part.folder)) jobs.push_back(*job);
  }
  return jobs;
}

// Takes the job out of the queue, or asks it to stop; true if it has to be waited for.
bool ask_to_stop(const SlurmState& state) {
  if (state.state != "RUNNING") {
    ask_slurm({"scancel", state.job});
    std::printf("Slurm job %s is taken out of the queue\n", state.job.c_str());
    return false;
  }
  // Its script would queue it again.
  ask_slurm({"scontrol", "update", "JobId=" + state.job, "Requeue=0"});
  ask_slurm({"scancel", "--batch", "--signal=USR1", state.job});
  return true;
}

ExitCode cancel(const std::string& name) {
  const store::RunFolder run = store::open_run(name);
  const std::vector<std::string> jobs = jobs_of(run);
  if (jobs.empty()) throw UsageError(name + " has no job of Slurm; a run of your own stops by Ctrl-C");
  std::vector<std::string> stopping;
  bool any = false;
  for (const auto& [job, state] : slurm_states(jobs)) {
    if (state.state == "unknown") throw UsageError("Slurm does not answer: " + state.reason);
    any = any || is_alive(state);
    if (is_alive(state) && ask_to_stop(state)) stopping.push_back(job);
  }
  if (!any) {
    std::printf("%s: nothing to cancel\n", to_text(*slurm_state_of(run)).c_str());
    return ExitCode::done;
  }
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!stopping.empty()) {
    const auto states = slurm_states(stopping);
    std::erase_if(stopping, [&](const std::string& job) {
      if (is_alive(states.at(job))) return false;
      std::printf("Slurm job %s has stopped; `shardmill submit JOB --run-dir %s` goes on\n", job.c_str(), name.c_str());
      return true;
    });
    if (std::chrono::steady_clock::now() > deadline) break;
    if (!stopping.empty()) std::this_thread::sleep_for(between_looks);
  }
  for (const std::string& job : stopping) {
    ask_slurm({"scancel", job});
    std::printf("Slurm job %s did not stop by itself within two minutes, and is ended\n", job.c_str());
  }
  return ExitCode::done;
}

}  // namespace

void add_cancel(CLI::App& app, Action& action) {
  auto run = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("cancel", "Stop a run's batch job; it can go on later");
  command->add_option("run", *run, "The run's folder")->required();
  command->callback([run, &action] { action = [run] { return cancel(*run); }; });
}

}  // namespace shardmill::cli
