// What a training run's journal says: one JSON object an entry (docs/file-formats.md), replayed in order.
//
//   {"entry":"opened", ...}  the first line; what the run is
//   {"entry":"started"}      a coordinator takes over: the first, one of a resumed run, or a survivor
//   {"entry":"saved"}        a checkpoint is durable
//   {"entry":"evaluated"}    the validation records have been looked at
//   {"entry":"rank_gone"}    a rank has died or fallen silent
//   {"entry":"recovered"}    the others have gone on, and committed the next step
//   {"entry":"ended"}        an incarnation's last word; outcome done is the run's done mark
// No MPI, no torch: the front program reads it too.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "job/exit_codes.hpp"

namespace shardmill::train {

struct Opened {
  std::string job_digest;      // SHA-256 of the resolved job
  std::string dataset_digest;  // fingerprint
  std::int64_t steps = 0;      // in all
  std::int64_t logical_shards = 0;
  std::int64_t records = 0;  // over all steps
  std::int64_t parameters = 0;
};
struct Started {
  int incarnation = 0;  // counted by the ledger
  int ranks = 0;
  std::int64_t unix_seconds = 0;
  std::int64_t step = 0;  // from which it goes on
};
struct SavedEntry {
  std::int64_t step = 0;
  std::string file;  // in the folder of checkpoints
  std::string checksum;
  bool is_best = false;
};
struct EvaluatedEntry {
  std::int64_t step = 0;
  std::vector<std::pair<std::string, double>> metrics;  // not finite: left out
};
struct RankGone {
  int rank = 0;
  std::int64_t step = 0;
  std::string reason;
};
// Seconds: until the death was known, until the others had stopped and said where they stand, until they had been dealt
// the work anew and had their state, until the next step was committed.
struct Recovered {
  std::int64_t step = 0;  // the one committed
  double detect = 0;
  double agree = 0;
  double rebuild = 0;
  double replay = 0;
};
struct EndedEntry {
  ExitCode outcome = ExitCode::done;
  std::int64_t step = 0;
  std::string message;
};

// Lines to append. elapsed: seconds of this incarnation.
std::string to_line(const Opened& entry);
std::string to_line(const Started& entry);
std::string to_line(const SavedEntry& entry, double elapsed);
std::string to_line(const EvaluatedEntry& entry, double elapsed);
std::string to_line(const RankGone& entry, double elapsed);
std::string to_line(const Recovered& entry, double elapsed);
std::string to_line(const EndedEntry& entry, double elapsed);

class Ledger {
 public:
  // Throws StoreError if a line is none of those above.
  static Ledger replay(const std::vector<std::string>& lines);

  // The last line again, after it has been appended to the journal.
  void apply(const std::string& line);

  const std::optional<Opened>& opened() const { return opened_; }
  const std::optional<Started>& started() const { return started_; }  // the last
  const std::optional<EndedEntry>& ended() const { return ended_; }   // none while an incarnation is open
  const std::vector<SavedEntry>& saved() const { return saved_; }
  const std::optional<EvaluatedEntry>& evaluated() const { return evaluated_; }  // the last
  int incarnations() const { return incarnations_; }
  std::int64_t faults() const { return gone_ + cut_off_; }
  std::int64_t faults_recovered() const { return gone_recovered_ + cut_off_recovered_; }
  const std::optional<Recovered>& longest_recovery() const { return longest_; }
  double elapsed() const { return elapsed_before_ + elapsed_; }  // of all incarnations, as far as is known
  std::int64_t last_step() const { return step_; }               // that is known of

 private:
  void note_progress();

  std::optional<Opened> opened_;
  std::optional<Started> started_;
  std::optional<EndedEntry> ended_;
  std::vector<SavedEntry> saved_;
  std::optional<EvaluatedEntry> evaluated_;
  std::optional<Recovered> longest_;
  int incarnations_ = 0;
  std::int64_t gone_ = 0;
  std::int64_t gone_recovered_ = 0;
  std::int64_t cut_off_ = 0;
  std::int64_t cut_off_recovered_ = 0;
  double elapsed_before_ = 0;
  double elapsed_ = 0;
  std::int64_t step_ = 0;
};

double seconds_of(const Recovered& recovered);

}  // namespace shardmill::train
