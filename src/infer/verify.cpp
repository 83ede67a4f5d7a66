#include "infer/verify.hpp"

#include <algorithm>

#include "infer/run_files.hpp"
#include "job/error.hpp"

namespace shardmill::infer {
namespace {

constexpr std::size_t most_problems = 100;

std::string name_shard(const coordinator::Plan& plan, std::int64_t shard) {
  return "shard " + std::to_string(shard) + " (records " + std::to_string(plan.first(shard)) + " to " +
         std::to_string(plan.first(shard) + plan.count(shard) - 1) + ")";
}

// The tables lag behind the journal by a moment while a run goes on, and are brought up to it by resume.
void check_tables(const job::Job& job, const coordinator::Plan& plan, const coordinator::Committed& commit,
                  store::Results& results, std::vector<std::string>& problems) {
  if (results.read_shard(commit.shard).checksum != commit.checksum) {
    problems.push_back(name_shard(plan, commit.shard) + ": the shard table does not say what the journal says");
  }
  const auto status = results.read_status(plan.first(commit.shard), plan.count(commit.shard));
  std::vector<store::RecordStatus> expected(status.size(), store::RecordStatus::done);
  for (const coordinator::BadRow& bad : by_row(job, plan, commit)) {
    expected.at(static_cast<std::size_t>(bad.row)) = store::RecordStatus::quarantined;
  }
  if (status != expected)
    problems.push_back(name_shard(plan, commit.shard) + ": record_status does not say what the journal says");
}

}  // namespace

Verification verify_commits(const job::Job& job, const RunRecord& record, store::Results& results, bool tables) {
  Verification found;
  found.shards = record.plan.shards();
  for (const coordinator::Committed& commit : record.commits) {
    store::ShardHasher hasher(results.layout().outputs.size());
    store::hash_rows(results, record.plan.first(commit.shard), record.plan.count(commit.shard), hasher);
    ++found.shards_checked;
    if (hasher.digest() != commit.checksum) {
      found.problems.push_back(name_shard(record.plan, commit.shard) +
                               ": its rows do not have the checksum in the journal; "
                               "they were changed after they were written");
    }
    if (tables) check_tables(job, record.plan, commit, results, found.problems);
    if (found.problems.size() >= most_problems) break;
  }
  return found;
}

Verification verify_run(const job::Job& job, const store::RunFolder& folder) {
  const auto record = read_run(folder, job.batch_size);
  if (!record) throw StoreError(folder.path.string() + " has not begun: there is nothing to verify");
  store::Results results(store::posix_disk(), results_path(job, folder), store::Open::read);
  if (results.layout().records != record->plan.records) {
    throw StoreError("the results hold " + std::to_string(results.layout().records) +
                     " records, the journal speaks of " + std::to_string(record->plan.records));
  }
  Verification found = verify_commits(job, *record, results, record->ledger.ended().has_value());
  const auto& ended = record->ledger.ended();
  if (ended && ended->outcome != ExitCode::failed && ended->outcome != ExitCode::preempted &&
      !record->ledger.all_done()) {
    found.problems.push_back("the journal says that the run is done, but not that all its shards are");
  }
  return found;
}

}  // namespace shardmill::infer
