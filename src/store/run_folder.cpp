#include "store/run_folder.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <fstream>
#include <random>
#include <vector>

#include <unistd.h>

#include "job/error.hpp"

namespace shardmill::store {
namespace {

std::vector<std::string> runs_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (std::filesystem::exists(entry.path() / "job.yaml", error)) names.push_back(entry.path().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

void note_process(const RunFolder& run, int rank, const Process& process) {
  const std::filesystem::path path = run.logs() / ("rank-" + std::to_string(rank) + ".pid");
  const std::filesystem::path temporary = path.string() + ".tmp";
  std::ofstream(temporary) << process.pid << ' ' << process.host << '\n';
  std::error_code error;
  std::filesystem::rename(temporary, path, error);
}

std::string this_host() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

void note_this_process(const RunFolder& run, int rank) {
  const std::string host = this_host();
  if (!run.path.empty() && !host.empty()) note_process(run, rank, {::getpid(), host});
}

std::optional<Process> process_of(const RunFolder& run, int rank) {
  Process process;
  std::ifstream file(run.logs() / ("rank-" + std::to_string(rank) + ".pid"));
  if (!(file >> process.pid >> process.host) || process.pid <= 1) return std::nullopt;
  return process;
}

std::string leave_token(const RunFolder& run) {
  std::random_device random;
  std::string token;
  for (int i = 0; i < 4; ++i) token += std::to_string(random()) + (i < 3 ? "-" : "");
  std::ofstream(run.logs() / "token") << token << '\n';
  return token;
}

std::string token_of(const RunFolder& run) {
  std::string token;
  std::ifstream(run.logs() / "token") >> token;
  return token;
}

std::string new_run_name(const std::filesystem::path& parent, const std::string& job_name) {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char stamp[32];
  std::strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &local);
  std::random_device random;
  for (;;) {
    char tail[8];
    std::snprintf(tail, sizeof tail, "%04x", random() & 0xFFFFU);
    std::string name = job_name + "-" + stamp + "-" + tail;
    std::error_code error;
    if (!std::filesystem::exists(parent / name, error)) return name;
  }
}

RunFolder create_run(Disk& disk, const std::filesystem::path& path, const std::string& resolved_yaml) {
  RunFolder run{path};
  std::error_code error;
  if (std::filesystem::exists(run.job(), error)) {
    throw StoreError(path.string() + " holds a run already; `shardmill resume " + path.string() +
                     "` goes on with it, another --run-dir starts a new one");
  }
  disk.make_folders(run.logs());
  write_file(disk, run.job(), resolved_yaml);
  disk.sync_folder(path.parent_path());
  return run;
}

void remove_run(const RunFolder& run) {
  std::error_code error;
  for (const auto& file : {run.job(), run.journal(), run.results(), run.summary()})
    std::filesystem::remove(file, error);
  std::filesystem::remove_all(run.logs(), error);
  std::filesystem::remove(run.path, error);  // only if it is empty
  // Of the last part of a run in parts: that run too.
  if (run.path.parent_path().filename() != "parts" || !std::filesystem::is_empty(run.path.parent_path(), error)) return;
  std::filesystem::remove(run.path.parent_path(), error);
  remove_run({run.path.parent_path().parent_path()});
}

RunFolder open_run(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::weakly_canonical(path, error);
  RunFolder run{error ? path : absolute};
  if (std::filesystem::is_regular_file(run.job(), error)) return run;
  std::string message = "'" + path.string() + "' is not a run folder";
  std::vector<std::string> others = runs_in(path);
  if (others.empty()) others = runs_in("runs");
  if (!others.empty()) message += "; the newest here is " + others.back();
  throw StoreError(message);
}

}  // namespace shardmill::store
