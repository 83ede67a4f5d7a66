// The durable side of a run, as the coordinator's rank holds it: journal, results, and what ties them to the job.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/ledger.hpp"
#include "coordinator/types.hpp"
#include "job/job.hpp"
#include "store/journal.hpp"
#include "store/results.hpp"
#include "store/run_folder.hpp"

namespace shardmill::infer {

// Where the run's results lie: the job's `output`, else in the run folder; a part's in that of the whole run.
std::filesystem::path results_path(const job::Job& job, const store::RunFolder& folder);

class RunFiles {
 public:
  // Plans the shards, opens the journal and replays it; begins a new one if there is none. Throws DataError, or
  // StoreError: another process runs this job, or dataset or model are not those that the run began with.
  RunFiles(const job::Job& job, store::RunFolder folder);

  const store::RunFolder& folder() const { return folder_; }
  std::filesystem::path results_path() const;
  coordinator::Plan plan() const { return plan_; }
  coordinator::Ledger take_ledger() { return std::move(*ledger_); }
  // Seconds, both 0 if the run begins here: reading the journal, and the rest until leases can begin (dataset and model
  // are the same, results are open and brought up to the journal).
  double replay_seconds() const { return replay_seconds_; }
  double rebuild_seconds() const { return replay_seconds_ > 0 ? rebuild_seconds_ : 0; }
  // Something about the journal that the user should know, or "".
  const std::string& remark() const { return remark_; }

  // Creates results.h5, or opens the one there and brings its tables up to what the journal says. Throws StoreError.
  void open_results(const std::vector<store::OutputLayout>& outputs, const std::string& versions);
  store::Results& results() { return *results_; }

  // Appends all, syncs once, and then shows the commits among them in the results' tables.
  void append(const std::vector<coordinator::Entry>& entries);
  void sync_results() { results_->sync(); }
  bool has_results() const { return results_ != nullptr; }

 private:
  // Where the list of quarantined records ends. A part lists none: the list is the whole run's.
  std::int64_t* listed() { return job_.part ? nullptr : &quarantined_; }

  const job::Job& job_;
  store::RunFolder folder_;
  coordinator::Plan plan_;
  std::string dataset_digest_;
  std::string model_digest_;
  std::unique_ptr<store::Journal> journal_;
  std::optional<coordinator::Ledger> ledger_;
  std::unique_ptr<store::Results> results_;
  std::vector<coordinator::Committed> replayed_;
  std::int64_t quarantined_ = 0;
  bool rows_written_ = false;  // the journal says that results hold rows worth keeping
  std::string remark_;
  double replay_seconds_ = 0;
  double rebuild_seconds_ = 0;
};

// The bad records of a committed shard, by their row in it. The journal has their places in the order of batches.
// Throws DataError if that has to be found in a dataset that is gone.
std::vector<coordinator::BadRow> by_row(const job::Job& job, const coordinator::Plan& plan,
                                        const coordinator::Committed& commit);

// Into the results' tables. listed: rows of the list of quarantined records so far, none to leave that list alone.
void show_commits(store::Results& results, const job::Job& job, const coordinator::Plan& plan,
                  std::vector<coordinator::Committed> commits, std::int64_t* listed);

// What a finished, stopped or running run's journal says, without opening it for writing; of a run in parts whose own
// journal is not there yet, what the parts' say together. Throws StoreError.
struct RunRecord {
  coordinator::Plan plan;
  coordinator::Ledger ledger;
  std::vector<coordinator::Committed> commits;  // the first of each shard
};
RunRecord record_of(const std::vector<coordinator::Entry>& entries, std::int64_t batch_size);
std::optional<RunRecord> read_run(const store::RunFolder& folder, std::int64_t batch_size);

}  // namespace shardmill::infer
