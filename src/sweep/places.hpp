// Where a sweep keeps things, and how its trials look to the coordinator. Free of torch and MPI.
#pragma once

#include <cstdint>
#include <filesystem>

#include "coordinator/types.hpp"
#include "job/expand_sweep.hpp"
#include "job/job.hpp"
#include "store/run_folder.hpp"

namespace shardmill::sweep {

// A trial is a shard. Its rows are its progress in thousandths, so that the journal knows how far its checkpoints go:
// ranks that die at different places in it are not its fault.
inline constexpr std::int64_t rows_of_a_trial = 1000;

inline coordinator::Plan plan_of(const job::Job& job) {
  return {static_cast<std::int64_t>(job.sweep.trials.size()) * rows_of_a_trial, rows_of_a_trial};
}

// RUN/trials/0007: job.yaml, metrics.csv, checkpoints/ and, when it is through, result.json
inline std::filesystem::path trial_folder(const store::RunFolder& run, std::int64_t number) {
  return run.path / "trials" / job::trial_name(number);
}
inline std::filesystem::path result_file(const store::RunFolder& run, std::int64_t number) {
  return trial_folder(run, number) / "result.json";
}
// The table of trials, written when the sweep has ended.
inline std::filesystem::path trials_csv(const store::RunFolder& run) { return run.path / "trials.csv"; }

}  // namespace shardmill::sweep
