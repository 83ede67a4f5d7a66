#include "cli/watchdog.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <signal.h>

#include "store/disk.hpp"
#include "store/journal.hpp"

namespace shardmill::cli {
namespace {

constexpr double start_timeouts = 10;     // MPI starts within so many times rank_timeout,
constexpr double least_start = 20;        // but not less than these seconds, which a busy machine can take,
constexpr double seconds_per_rank = 0.1;  // and so much for each rank
constexpr double stopped_timeouts = 3;    // after one or two of them the other ranks have acted themselves
constexpr std::chrono::seconds end_patience{5};
constexpr std::chrono::seconds error_patience{3};  // with the start, when a rank has left with an error

// Processes and threads may end while they are looked at: then there is nothing to be read of them.

std::vector<pid_t> children_of(pid_t process) {
  std::vector<pid_t> children;
  std::error_code error;
  std::filesystem::directory_iterator task("/proc/" + std::to_string(process) + "/task", error);
  for (; !error && task != std::filesystem::directory_iterator(); task.increment(error)) {
    std::ifstream list(task->path() / "children");
    for (pid_t child = 0; list >> child;) children.push_back(child);
  }
  return children;
}

bool is_stopped(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string stat;
  std::getline(file, stat, '\0');                // no iterator over the buffer: that one throws
  const std::size_t name_end = stat.rfind(')');  // the name in front of it may hold anything
  return name_end != std::string::npos && name_end + 2 < stat.size() && stat[name_end + 2] == 'T';
}

}  // namespace

Watchdog::Watchdog(const store::RunFolder& folder, pid_t mpirun, double rank_timeout, int ranks)
    : folder_(folder),
      mpirun_(mpirun),
      start_patience_(std::max(start_timeouts * rank_timeout, least_start) + seconds_per_rank * ranks),
      most_looks_(
          static_cast<int>(std::chrono::duration<double>(stopped_timeouts * rank_timeout) / watchdog_interval)) {}

std::string Watchdog::look() {
  const std::string start = up_ ? std::string() : look_at_start();
  return start.empty() ? look_for_stopped() : start;
}

void Watchdog::error_told() {
  const std::chrono::duration<double> patience = Clock::now() - started_ + error_patience;
  start_patience_ = std::min(start_patience_, patience);
}

std::string Watchdog::look_at_start() {
  std::error_code error;
  up_ = std::filesystem::exists(folder_.journal(), error) &&
        store::journal_in_use(store::posix_disk(), folder_.journal());
  const auto waited = Clock::now() - started_;
  if (up_ || waited < start_patience_) return "";
  if (!ending_) {
    ending_ = true;
    ::kill(mpirun_, SIGTERM);
    return "no rank has taken up the run: one may have died or stopped while MPI started; mpirun is ended";
  }
  if (waited > start_patience_ + end_patience) ::kill(mpirun_, SIGKILL);  // the ranks die with it
  return "";
}

// Counted in looks and not by the clock: if the whole machine was stopped, nobody is late.
std::string Watchdog::look_for_stopped() {
  std::string told;
  std::map<pid_t, int> stopped;
  for (const pid_t child : children_of(mpirun_)) {
    if (!is_stopped(child)) continue;
    const int looks = stopped[child] = stopped_[child] + 1;
    if (looks <= most_looks_) continue;
    ::kill(child, SIGKILL);
    told += (told.empty() ? "" : "; ") + ("process " + std::to_string(child)) + " is stopped, it is killed";
  }
  stopped_ = std::move(stopped);
  return told;
}

}  // namespace shardmill::cli
