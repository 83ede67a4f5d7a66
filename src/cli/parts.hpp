// Runs in parts, as the commands see them.
#pragma once

#include <string>
#include <vector>

#include "cli/job_options.hpp"
#include "cli/run_record.hpp"
#include "cli/slurm_job.hpp"
#include "job/job.hpp"
#include "store/run_parts.hpp"

namespace shardmill::cli {

// "2/3". Throws UsageError for anything else.
job::Part part_of(const std::string& text);

// Throws UsageError.
void refuse_parts_unless_infer(const job::Job& job);
// Throws UsageError if a job of this kind, or with so few shards, is not computed in so many parts.
void check_parts(const job::Job& job, int parts);

// The part's folder in the run of `options` (which names the part), made for a part that has not begun, as is the run.
// Throws StoreError if the part has begun.
store::RunFolder begin_part(const JobOptions& options, const std::filesystem::path& run_dir, const job::Job& part_job);

// The part's folder in a run that is there, made if the part has not begun.
store::RunFolder open_part(const store::RunFolder& whole, const job::Part& part);

struct PartStatus {
  job::Part part;
  store::RunFolder folder;
  std::optional<RunRecord> record;  // none: it has not begun
  std::optional<SlurmState> slurm;
  bool done() const { return record && is_done(*record); }
  // "done", "running", "was cut off", "has not begun"
  std::string state() const;
};
// All of them; empty if the run is not in parts. ask_slurm: with what Slurm says of those that have had a batch job.
std::vector<PartStatus> parts_status(const store::RunFolder& whole, bool ask_slurm);

// What `shardmill finish` does.
ExitCode finish(const store::RunFolder& run, bool quiet);

}  // namespace shardmill::cli
