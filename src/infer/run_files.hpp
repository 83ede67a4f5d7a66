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

// Where the run's results lie: the job's `output`, else in the run folder.
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
  void show(const coordinator::Committed& commit);

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
};

// What a finished, stopped or running run's journal says, without opening it for writing. Throws StoreError.
struct RunRecord {
  coordinator::Plan plan;
  coordinator::Ledger ledger;
  std::vector<coordinator::Committed> commits;
};
std::optional<RunRecord> read_run(const store::RunFolder& folder, std::int64_t batch_size);

}  // namespace shardmill::infer
