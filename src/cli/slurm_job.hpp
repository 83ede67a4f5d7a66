// The batch job of a run, and what Slurm says about it.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "store/run_folder.hpp"

namespace shardmill::cli {

// What belongs to Slurm in a run's folder: the script, its output, and the number of the newest job.
std::filesystem::path slurm_folder(const store::RunFolder& run);
std::filesystem::path slurm_script(const store::RunFolder& run);

void note_slurm_job(const store::RunFolder& run, const std::string& job);
std::optional<std::string> slurm_job_of(const store::RunFolder& run);

struct SlurmState {
  std::string job;
  std::string state;      // Slurm's word: PENDING, RUNNING, COMPLETED; "gone" once Slurm has forgotten the job
  std::string reason;     // why it waits, or ended
  std::string nodes;      // that it runs on
  std::string time_left;  // of its walltime, as Slurm writes it
  bool is_over() const;
};

// Of several jobs in one question, by the numbers given; a task of an array is "17_2".
std::map<std::string, SlurmState> slurm_states(const std::vector<std::string>& jobs);
// Of the run's newest job; none if it has had none. state is "unknown" and reason says why if Slurm does not answer.
std::optional<SlurmState> slurm_state_of(const store::RunFolder& run);
// A line for people.
std::string to_text(const SlurmState& state);

}  // namespace shardmill::cli
