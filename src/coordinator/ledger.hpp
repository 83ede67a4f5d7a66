// What the journal says: which shards are done, what went wrong with the others, and the accounts of faults. Changed by
// entries only, so that replaying a journal gives exactly the ledger that wrote it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "coordinator/interval_set.hpp"
#include "coordinator/types.hpp"

namespace shardmill::coordinator {

// A shard that is not done and was not plain sailing.
struct Trouble {
  int attempts = 0;          // that came to nothing
  std::int64_t durable = 0;  // rows that need not be computed again
  std::int64_t at = -1;      // the row at which the last rank died
  int strikes = 0;           // deaths in a row in the batch of `at`
  std::vector<BadRow> bad;   // among the durable rows
  std::vector<BadRow> skip;  // rows to quarantine without trying again
  bool unclear = false;      // it or another shard ended the last incarnation
  std::string last_reason;
  friend bool operator==(const Trouble&, const Trouble&) = default;
};

// Adds rows that are not there yet; both sorted by row. The first message about a row stays.
void merge_bad_rows(std::vector<BadRow>& into, const std::vector<BadRow>& more);

class Ledger {
 public:
  // batch_size: rows of a batch, to tell whether two attempts ended in the same one.
  Ledger(Plan plan, std::int64_t batch_size);

  // Entries of an earlier journal, or those just accepted. Throws StoreError if an entry contradicts the plan (another
  // dataset, a shard out of range), CheckFailure never. A second commit of a shard is ignored (first one wins).
  void apply(const Entry& entry);

  const Plan& plan() const { return plan_; }
  bool is_done(ShardId shard) const { return done_.contains(shard); }
  bool all_done() const { return done_.size() == plan_.shards(); }
  const IntervalSet& done() const { return done_; }
  const Trouble* trouble(ShardId shard) const;
  const std::map<ShardId, Trouble>& troubles() const { return troubles_; }
  std::int64_t started_unix() const { return started_unix_; }  // of the last incarnation
  int incarnations() const { return incarnations_; }
  // The last entry, if the last incarnation ended by itself.
  const std::optional<Ended>& ended() const { return ended_; }
  std::int64_t quarantined() const { return quarantined_; }
  // Leases that a rank of the last incarnation may have held.
  int slots() const { return slots_; }
  // Shards that the last incarnation may have had leased at a time.
  std::int64_t most_leased() const { return std::int64_t{ranks_} * slots_; }
  // What ranks were at with leases that are `again`, as far as nothing tells how it ended.
  const std::map<Rank, Begun>& begun() const { return begun_; }
  // The last incarnation has seen a rank die.
  bool rank_gone() const { return rank_gone_; }
  // Entries that tell of rows done, and of suspicions raised or confirmed: is the run getting anywhere?
  std::int64_t advances() const { return advances_; }
  std::int64_t suspicions() const { return suspicions_; }

  // All but what only a live coordinator knows (ranks alive, recovery time). elapsed: of the current incarnation, if
  // more is known than its last entry tells.
  Figures figures(Seconds elapsed = 0) const;

  friend bool operator==(const Ledger&, const Ledger&) = default;

 private:
  struct Fault {
    Rank rank = -1;
    std::set<ShardId> open;     // shards that it set back and that are not done yet
    bool needs_commit = false;  // a cut-off incarnation is recovered by the next one's first commit
    bool recovered() const { return open.empty() && !needs_commit; }
    friend bool operator==(const Fault&, const Fault&) = default;
  };

  void check_shard(ShardId shard) const;
  void open_fault(Fault fault);
  template <typename Which>
  void end_begun(ShardId shard, const Which& which);
  void on(const Opened& entry);
  void on(const Started& entry);
  void on(const Ahead& entry) { slots_ = std::max(slots_, entry.slots); }
  void on(const Committed& entry);
  void on(const Advanced& entry);
  void on(const AttemptLost& entry);
  void on(const Begun& entry);
  void on(const Suspected& entry);
  void on(const RankGone& entry);
  void on(const Ended& entry);
  void on(const Gathered& entry);

  Plan plan_;
  std::int64_t batch_size_;
  IntervalSet done_;
  std::map<ShardId, Trouble> troubles_;
  std::vector<Fault> faults_;     // those not recovered yet
  bool commit_recovers_ = false;  // one of them needs a commit
  std::int64_t faults_total_ = 0;
  std::int64_t attempts_lost_ = 0;
  std::int64_t quarantined_ = 0;
  std::int64_t records_done_ = 0;
  int incarnations_ = 0;
  int ranks_ = 0;
  int slots_ = 0;
  std::map<Rank, Begun> begun_;
  std::map<ShardId, std::set<Rank>> begun_in_;  // the ranks of begun_, by shard
  bool cut_off_told_ = false;                   // the last entries tell of an incarnation that was cut off
  bool rank_gone_ = false;
  std::int64_t advances_ = 0;
  std::int64_t suspicions_ = 0;
  std::int64_t started_unix_ = 0;
  Seconds elapsed_before_ = 0;  // of incarnations that are over, as far as their last entry tells
  Seconds last_elapsed_ = 0;
  Seconds busy_ = 0;
  Seconds rank_seconds_before_ = 0;
  std::optional<Ended> ended_;
  std::optional<Gathered> gathered_;
};

}  // namespace shardmill::coordinator
