#include "infer/finish.hpp"

#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/entry.hpp"
#include "infer/figures_summary.hpp"
#include "infer/metrics.hpp"
#include "infer/parts.hpp"
#include "infer/run_files.hpp"
#include "infer/verify.hpp"
#include "job/error.hpp"
#include "job/load.hpp"
#include "store/run_parts.hpp"

namespace shardmill::infer {
namespace {

std::string shards_text(std::int64_t count) { return std::to_string(count) + (count == 1 ? " shard" : " shards"); }

// Why the part is not done and what to do, or none.
std::optional<std::string> what_is_missing(const PartRecord& record, const store::RunFolder& whole,
                                           std::int64_t batch_size) {
  const std::string name = "part " + to_text(record.part);
  const std::string compute =
      ": `shardmill resume " + whole.path.string() + " --part " + to_text(record.part) + "` computes it";
  if (record.entries.empty()) return name + " has not begun" + compute;
  const RunRecord found = record_of(record.entries, batch_size);
  const std::int64_t left = found.plan.shards() - found.ledger.done().size();
  if (left == 0) return std::nullopt;
  const std::string lacks = name + " lacks " + shards_text(left) + " of " + std::to_string(found.plan.shards());
  if (record.running) return lacks + ": it is running, wait for it";
  const auto& ended = found.ledger.ended();
  if (ended && !ended->message.empty()) return lacks + " (" + ended->message + ")" + compute;
  return lacks + compute;
}

// One journal can only be made of parts of one job over one dataset with one model.
void check_same_run(const std::vector<PartRecord>& parts, const job::Job& job) {
  const auto& first = std::get<coordinator::Opened>(parts.front().entries.front());
  for (const PartRecord& record : parts) {
    const auto& opened = std::get<coordinator::Opened>(record.entries.front());
    job::LoadOptions options;
    options.later = "/";
    job::Job theirs = job::load_job(record.folder.job(), options);
    const bool is_its_place = theirs.part == record.part;
    theirs.part.reset();
    const bool same_plan = opened.plan.records == first.plan.records && opened.plan.shard_size == first.plan.shard_size;
    if (is_its_place && same_plan && theirs == job && opened.dataset_digest == first.dataset_digest &&
        opened.model_digest == first.model_digest)
      continue;
    throw StoreError("part " + to_text(record.part) +
                     " was computed for another job, dataset or model than the others; remove " +
                     record.folder.path.string() + " and compute that part again");
  }
}

// The tables are the parts' work too, but on some file systems two nodes that write into one page undo each other, and
// only here all bad records are known.
void show_all(store::Results& results, const job::Job& job, const RunRecord& record) {
  std::int64_t quarantined = 0;
  show_commits(results, job, record.plan, record.commits, &quarantined);
  results.sync();
}

void write_journal(const store::RunFolder& whole, const std::vector<coordinator::Entry>& entries) {
  store::Disk& disk = store::posix_disk();
  const std::filesystem::path temporary = store::temporary_beside(whole.journal());
  disk.remove(temporary);
  std::vector<std::string> lines;
  for (const coordinator::Entry& entry : entries) lines.push_back(coordinator::encode(entry));
  store::Journal(disk, temporary).append(lines);
  disk.rename(temporary, whole.journal());
  disk.sync_folder(whole.path);
}

}  // namespace

report::Summary finish_run(const job::Job& job, const store::RunFolder& whole) {
  const std::vector<PartRecord> parts = read_parts(whole);
  if (parts.empty()) throw UsageError(whole.path.string() + " is not a run in parts: there is nothing to finish");
  std::string missing;
  for (const PartRecord& record : parts) {
    if (const auto what = what_is_missing(record, whole, job.batch_size))
      missing += (missing.empty() ? "" : "; ") + *what;
  }
  if (!missing.empty()) throw StoreError("not all is there: " + missing + "; then `shardmill finish` again");
  check_same_run(parts, job);
  std::vector<coordinator::Entry> entries = join_journals(parts, std::time(nullptr));
  RunRecord record = record_of(entries, job.batch_size);
  store::Results results(store::posix_disk(), results_path(job, whole), store::Open::write);
  show_all(results, job, record);
  const Verification found = verify_commits(job, record, results, /*tables=*/true);
  if (!found.problems.empty()) {
    throw StoreError("the results do not hold what the parts have computed: " + found.problems.front() + " (" +
                     std::to_string(found.problems.size()) + " such); remove the folder of the part in " +
                     (whole.path / "parts").string() + " and compute it again");
  }
  coordinator::Ended ended;
  ended.outcome = record.ledger.quarantined() > 0 ? ExitCode::quarantined : ExitCode::done;
  const auto& limit = job.fault_tolerance.max_quarantined;
  if (limit && record.ledger.quarantined() > limit->of(record.plan.records)) {
    ended.outcome = ExitCode::failed;
    ended.message =
        std::to_string(record.ledger.quarantined()) +
        " records are in quarantine, more than max_quarantined allows; the results are as complete as they get";
  }
  entries.emplace_back(ended);
  record.ledger.apply(ended);

  report::Summary summary;
  summary.name = job.name;
  summary.run_dir = whole.path.string();
  summary.results = results_path(job, whole).string();
  summary.outcome = ended.outcome;
  summary.message = ended.message;
  summary.versions = results.layout().versions;
  fill(summary, record.ledger.figures());
  summary.metrics = compute_metrics(job, results);
  store::write_file(store::posix_disk(), whole.summary(), report::to_json(summary));
  write_journal(whole, entries);
  return summary;
}

}  // namespace shardmill::infer
