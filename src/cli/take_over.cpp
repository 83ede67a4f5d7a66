#include "cli/take_over.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>
#include <vector>

#include "infer/run_files.hpp"
#include "job/error.hpp"
#include "store/disk.hpp"

namespace shardmill::cli {
namespace {

namespace fs = std::filesystem;

std::vector<store::Process> processes_of(const store::RunFolder& run) {
  std::vector<store::Process> found;
  for (int rank = 0;; ++rank) {
    const auto process = store::process_of(run, rank);
    if (!process) return found;
    found.push_back(*process);
  }
}

bool is_rank(std::int64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/comm");
  std::string name;
  return std::getline(file, name) && name == "shardmill-rank";
}

// One that is here and alive, if there is one.
std::int64_t local_process(const store::RunFolder& run) {
  const std::string here = store::this_host();
  for (const store::Process& process : processes_of(run)) {
    if (process.host == here && is_rank(process.pid)) return process.pid;
  }
  return 0;
}

// What changes while a run is at work.
std::vector<std::pair<std::uintmax_t, fs::file_time_type>> signs_of_life(const job::Job& job,
                                                                         const store::RunFolder& run) {
  std::vector<fs::path> files{run.journal()};
  if (job.kind == job::Kind::infer) files.push_back(infer::results_path(job, run));
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(run.logs(), error)) files.push_back(entry.path());
  for (const auto& entry : fs::directory_iterator(run.path / "checkpoints", error)) files.push_back(entry.path());
  for (const auto& entry : fs::recursive_directory_iterator(run.path / "trials", error)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<std::pair<std::uintmax_t, fs::file_time_type>> signs;
  for (const fs::path& file : files) signs.emplace_back(fs::file_size(file, error), fs::last_write_time(file, error));
  return signs;
}

}  // namespace

std::string who_runs(const store::RunFolder& run) {
  const std::string is_running = run.path.string() + " is running";
  const std::string look = "; `shardmill status` shows how far it is";
  if (const std::int64_t pid = local_process(run))
    return is_running + ", as process " + std::to_string(pid) + " here" + look;
  std::set<std::string> hosts;
  for (const store::Process& process : processes_of(run)) hosts.insert(process.host);
  std::string names;
  for (const std::string& host : hosts) names += (names.empty() ? "" : ", ") + host;
  return is_running + (names.empty() ? "" : " on " + names) + look + ". If that machine is gone but its lock is not, " +
         "`shardmill resume " + run.path.string() + " --take-over` goes on without it";
}

void take_over(const job::Job& job, const store::RunFolder& run) {
  if (const std::int64_t pid = local_process(run)) {
    throw UsageError(run.path.string() + " is running on this machine: end process " + std::to_string(pid) +
                     " instead of taking over from it");
  }
  const auto before = signs_of_life(job, run);
  std::this_thread::sleep_for(std::chrono::duration<double>(2 * job.fault_tolerance.rank_timeout));
  if (signs_of_life(job, run) != before)
    throw UsageError(run.path.string() + " is at work: it has written something while it was looked at");
  // A new file under the old name: the lock stays with the old one.
  store::Disk& disk = store::posix_disk();
  store::write_file(disk, run.journal(), store::read_file(disk, run.journal()));
}

}  // namespace shardmill::cli
