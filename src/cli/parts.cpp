#include "cli/parts.hpp"

#include <map>

#include "dataset/record_source.hpp"
#include "dataset/shard_plan.hpp"
#include "job/error.hpp"
#include "job/load.hpp"
#include "job/names.hpp"
#include "report/summary.hpp"

namespace shardmill::cli {

job::Part part_of(const std::string& text) {
  const auto part = job::parse_part(text);
  if (!part) throw UsageError("--part takes one part of several, as in --part 2/3, not '" + text + "'");
  return *part;
}

void refuse_parts_unless_infer(const job::Job& job) {
  if (job.kind != job::Kind::infer)
    throw UsageError("only jobs of kind infer run in parts; this one is of kind " + std::string(name_of(job.kind)));
}

void check_parts(const job::Job& job, int parts) {
  refuse_parts_unless_infer(job);
  std::error_code error;
  if (!std::filesystem::exists(job.dataset.path, error)) return;  // a job before this one is to make it
  const std::int64_t shards = dataset::plan_shards(job, *dataset::open_source(job.dataset)).shards();
  if (shards >= parts) return;
  throw UsageError(job.name + " has " + std::to_string(shards) + " shards, too few for " + std::to_string(parts) +
                   " parts; ask for fewer parts or set a smaller shard_size");
}

store::RunFolder begin_part(const JobOptions& options, const std::filesystem::path& run_dir, const job::Job& part_job) {
  const job::Part part = *part_job.part;
  check_parts(part_job, part.of);
  JobOptions whole = options;
  whole.part.clear();
  const store::RunFolder run = store::join_run(store::posix_disk(), run_dir, load(whole).resolved_yaml, part.of);
  return store::part_folder(run, part);
}

store::RunFolder open_part(const store::RunFolder& whole, const job::Part& part) {
  store::Disk& disk = store::posix_disk();
  job::LoadOptions options;
  const store::RunFolder folder = store::part_folder(whole, part);
  std::error_code error;
  if (std::filesystem::exists(folder.job(), error)) return store::open_run(folder.path);
  options.overrides = {"part=" + to_text(part)};
  options.later = "/";
  const job::Job job = job::load_job(whole.job(), options);
  check_parts(job, part.of);
  store::join_run(disk, whole.path, store::read_file(disk, whole.job()), part.of);
  return store::create_run(disk, folder.path, job.resolved_yaml);
}

std::string PartStatus::state() const {
  if (!record) return "has not begun";
  if (record->running) return "running";
  return record->ended ? std::string(report::outcome_name(*record->ended)) : "was cut off";
}

std::vector<PartStatus> parts_status(const store::RunFolder& whole, bool ask_slurm) {
  std::vector<PartStatus> parts;
  std::vector<std::string> batch_jobs;
  const int of = store::parts_of(whole).value_or(0);
  for (int index = 1; index <= of; ++index) {
    PartStatus status;
    status.part = {index, of};
    status.folder = store::part_folder(whole, status.part);
    std::error_code error;
    if (std::filesystem::exists(status.folder.job(), error))
      status.record = read_record(job_of(status.folder), status.folder);
    if (const auto job = slurm_job_of(status.folder)) batch_jobs.push_back(*job);
    parts.push_back(std::move(status));
  }
  if (!ask_slurm || batch_jobs.empty()) return parts;
  const std::map<std::string, SlurmState> states = slurm_states(batch_jobs);
  for (PartStatus& status : parts) {
    if (const auto job = slurm_job_of(status.folder)) status.slurm = states.at(*job);
  }
  return parts;
}

}  // namespace shardmill::cli
