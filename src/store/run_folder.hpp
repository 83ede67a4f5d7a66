// The folder of one run: runs/<name>-<id>/ with job.yaml (resolved), journal, results.h5, summary.json, logs/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "store/disk.hpp"

namespace shardmill::store {

struct RunFolder {
  std::filesystem::path path;

  std::filesystem::path job() const { return path / "job.yaml"; }
  std::filesystem::path journal() const { return path / "journal"; }
  std::filesystem::path results() const { return path / "results.h5"; }
  std::filesystem::path summary() const { return path / "summary.json"; }
  std::filesystem::path logs() const { return path / "logs"; }
  std::filesystem::path log(int rank) const { return logs() / ("rank-" + std::to_string(rank) + ".log"); }
};

// Which process is which rank, for those who must end one that is stopped or stuck. Not durable: of use only while the
// mpirun lives. note_process never throws; process_of gives none if nothing (readable) was noted.
struct Process {
  std::int64_t pid = 0;
  std::string host;
};
std::string this_host();  // "" if it has no name
void note_process(const RunFolder& run, int rank, const Process& process);
void note_this_process(const RunFolder& run, int rank);
std::optional<Process> process_of(const RunFolder& run, int rank);

// A random word that the coordinator leaves in the folder and tells all ranks: who can read it there sees this very
// folder, and not another one under its name. Replaces the one before. Never throws; "" if there is none.
std::string leave_token(const RunFolder& run);
std::string token_of(const RunFolder& run);

// "digits-20260131-142501-7f3a": sorts by time, and is not taken yet in `parent`.
std::string new_run_name(const std::filesystem::path& parent, const std::string& job_name);

// Makes the folder and writes the resolved job into it. Throws StoreError; also if the folder holds a run already.
RunFolder create_run(Disk& disk, const std::filesystem::path& path, const std::string& resolved_yaml);

// Takes away what create_run and a run that did not begin have made, and the folder if nothing else is in it.
void remove_run(const RunFolder& run);

// Throws StoreError if `path` holds no run (no job.yaml), naming runs that there are beside it.
RunFolder open_run(const std::filesystem::path& path);

}  // namespace shardmill::store
