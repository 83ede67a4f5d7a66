// What a sweep's journal and its trials' results say together. Free of torch and MPI: the front program reads it too.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/ledger.hpp"
#include "coordinator/types.hpp"
#include "job/job.hpp"
#include "report/summary.hpp"
#include "store/run_folder.hpp"
#include "train/solo_result.hpp"

namespace shardmill::sweep {

enum class TrialState { waiting, begun, done, failed };

struct TrialRow {
  std::int64_t number = 0;
  TrialState state = TrialState::waiting;
  double progress = 0;                      // share of its steps that is saved
  int attempts = 0;                         // that came to nothing, and the one that did not
  int rank = -1;                            // that finished it
  double seconds = 0;                       // that rank's
  std::string message;                      // why it failed
  std::optional<train::SoloResult> result;  // of one that is done; none if it does not check out

  // Of the sweep's objective.
  std::optional<double> value(const job::Sweep& sweep) const;
};

// What of a journal concerns the trials.
class Commits {
 public:
  void note(const coordinator::Entry& entry);
  const std::map<std::int64_t, coordinator::Committed>& all() const { return first_; }

 private:
  std::map<std::int64_t, coordinator::Committed> first_;  // by trial
};

struct Table {
  std::vector<TrialRow> rows;        // a row for each trial, in their order
  std::optional<std::int64_t> best;  // a trial
};
// What is known of one trial. Reads its result if it is done.
TrialRow row_of(std::int64_t number, const store::RunFolder& run, const coordinator::Ledger& ledger,
                const Commits& commits);
// Of all.
Table make_table(const job::Job& job, const store::RunFolder& run, const coordinator::Ledger& ledger,
                 const Commits& commits);

struct SweepRecord {
  coordinator::Ledger ledger;
  Table table;
};
// Without opening the journal for writing; none if nothing is in it. Throws StoreError.
std::optional<SweepRecord> read_sweep(const job::Job& job, const store::RunFolder& run);

// The figures: tasks and requests are trials. elapsed: of the incarnation at hand, if more is known than in the ledger.
void fill(report::Summary& summary, coordinator::Figures figures, const Table& table);
// How the sweep ended, in its own words.
std::string message_of(ExitCode outcome, const std::string& message, const coordinator::Figures& figures);

}  // namespace shardmill::sweep
