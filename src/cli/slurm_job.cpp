#include "cli/slurm_job.hpp"

#include <fstream>
#include <set>
#include <sstream>

#include "cli/child.hpp"
#include "store/disk.hpp"

namespace shardmill::cli {
namespace {

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

std::filesystem::path slurm_folder(const store::RunFolder& run) { return run.path / "slurm"; }
std::filesystem::path slurm_script(const store::RunFolder& run) { return slurm_folder(run) / "run.sbatch"; }

void note_slurm_job(const store::RunFolder& run, const std::string& job) {
  store::posix_disk().make_folders(slurm_folder(run));
  store::write_file(store::posix_disk(), slurm_folder(run) / "job", job + "\n");
}

std::optional<std::string> slurm_job_of(const store::RunFolder& run) {
  std::string job;
  std::ifstream file(slurm_folder(run) / "job");
  if (!(file >> job)) return std::nullopt;
  return job;
}

bool SlurmState::is_over() const {
  for (const char* alive : {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "REQUEUED", "REQUEUE_HOLD",
                            "SPECIAL_EXIT", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED", "unknown"}) {
    if (state == alive) return false;
  }
  return true;
}

std::map<std::string, SlurmState> slurm_states(const std::vector<std::string>& jobs) {
  std::set<std::string> asked;  // arrays as a whole: their tasks come by themselves
  for (const std::string& job : jobs) asked.insert(job.substr(0, job.find('_')));
  std::string list;
  for (const std::string& job : asked) list += (list.empty() ? "" : ",") + job;
  const ChildOutput answer =
      call({"squeue", "--noheader", "--states=all", "--array", "--jobs=" + list, "--format=%i|%T|%r|%N|%L"});
  // With several jobs, those that are forgotten are left out.
  const bool forgotten = answer.code == 0 || answer.err.find("Invalid job id") != std::string::npos;
  std::map<std::string, SlurmState> states;
  for (const std::string& job : jobs) {
    SlurmState& state = states[job];
    state.job = job;
    state.state = forgotten || !answer.out.empty() ? "gone" : "unknown";
    if (state.state == "unknown")
      state.reason = answer.code == 127 ? "there is no squeue on this machine" : first_line(answer.err);
  }
  std::istringstream lines(answer.out);
  for (std::string text; std::getline(lines, text);) {
    std::istringstream line(text);
    SlurmState state;
    for (std::string* part : {&state.job, &state.state, &state.reason, &state.nodes, &state.time_left})
      std::getline(line, *part, '|');
    if (state.reason == "None") state.reason.clear();
    if (const auto found = states.find(state.job); found != states.end()) found->second = state;
  }
  return states;
}

std::optional<SlurmState> slurm_state_of(const store::RunFolder& run) {
  const auto job = slurm_job_of(run);
  if (!job) return std::nullopt;
  return slurm_states({*job}).at(*job);
}

std::string to_text(const SlurmState& state) {
  std::string text = "Slurm job " + state.job + ": " + state.state;
  if (!state.reason.empty()) text += " (" + state.reason + ")";
  if (!state.nodes.empty()) text += " on " + state.nodes;
  if (state.state == "RUNNING") text += ", " + state.time_left + " left";
  return text;
}

}  // namespace shardmill::cli
