// What the coordinator is told and what it asks for. Plain data: no MPI, file, clock or thread.
//
// Units: records and shards are counted from 0; rows count from a shard's first record; seconds are those of whatever
// clock drives the coordinator.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "job/exit_codes.hpp"
#include "job/part.hpp"

namespace shardmill::coordinator {

using Rank = int;
using ShardId = std::int64_t;
using Attempt = std::int64_t;  // the number of a lease: never used twice in a run
using Seconds = double;

// Equal ranges of records; the last may be shorter. A run that is a part of another one computes shards [begin, end) of
// them, under the same numbers.
struct Plan {
  std::int64_t records = 0;  // of all shards
  std::int64_t shard_size = 1;
  job::Part part = {};

  std::int64_t all_shards() const { return records / shard_size + (records % shard_size == 0 ? 0 : 1); }
  ShardId begin() const { return job::part_border(all_shards(), part.index - 1, part.of); }
  ShardId end() const { return job::part_border(all_shards(), part.index, part.of); }
  // Those that this run computes, and their records.
  std::int64_t shards() const { return end() - begin(); }
  std::int64_t own_records() const {
    if (shards() == 0) return 0;
    return (end() == all_shards() ? records : first(end())) - first(begin());
  }
  std::int64_t first(ShardId shard) const { return shard * shard_size; }
  std::int64_t count(ShardId shard) const {
    const std::int64_t left = records - first(shard);
    return left < shard_size ? left : shard_size;
  }
  friend bool operator==(const Plan&, const Plan&) = default;
};

// A record that the model cannot take; `row` in its shard.
struct BadRow {
  std::int64_t row = 0;
  std::string message;
  friend bool operator==(const BadRow&, const BadRow&) = default;
};

// ---- Events -------------------------------------------------------------------------------------------------------

struct RankJoined {
  Rank rank = 0;
};
// The rank is ready to work and holds up to `slots` leases at a time, which it works on in the order granted.
struct RankReady {
  Rank rank = 0;
  int slots = 0;
};
// Anything heard from a rank that says nothing else.
struct Heartbeat {
  Rank rank = 0;
};
// Rows [0, durable) of the shard are in storage, synced, and `bad` are the bad ones that this attempt found among them;
// the model is at row `computed`.
struct Progressed {
  Rank rank = 0;
  ShardId shard = 0;
  Attempt attempt = 0;
  std::int64_t durable = 0;
  std::int64_t computed = 0;
  std::vector<BadRow> bad;
};
// Of a lease that is `again`: the rank would read and compute the batch, or the lone record, at `row`, and waits for
// the word to (Proceed).
struct BatchAsked {
  Rank rank = 0;
  ShardId shard = 0;
  Attempt attempt = 0;
  std::int64_t row = 0;
};
// All rows of the shard are in storage, synced. bad: those that this attempt found.
struct ShardFinished {
  Rank rank = 0;
  ShardId shard = 0;
  Attempt attempt = 0;
  std::uint64_t checksum = 0;  // over the shard's bytes of all outputs
  Seconds seconds = 0;         // from first read to sync
  std::vector<BadRow> bad;
};
// The rank lives on, but could not finish the shard (its reads fail, say). After max_attempts of them the run fails.
struct ShardFailed {
  Rank rank = 0;
  ShardId shard = 0;
  Attempt attempt = 0;
  std::string message;
};
// The rank gives the shard back untouched or half done, of its own will: costs no attempt. A rank that wants no other
// in its place says first that it has no slots (RankReady).
struct ShardReturned {
  Rank rank = 0;
  ShardId shard = 0;
  Attempt attempt = 0;
};
struct RankDied {
  Rank rank = 0;
  std::string reason;
};
// Stop soon: no new leases, take back what is out (a signal, the walltime). For `grace` seconds each rank may finish
// the lease that it is at.
struct StopAsked {
  std::string reason;
  Seconds grace = 0;
};
// The run cannot go on (the disk is full; the model does not fit the dataset). What is committed is safe.
struct RunFailed {
  std::string message;
  ExitCode outcome = ExitCode::failed;
  bool storage = false;  // the disk is at fault, which counts as a fault
};
// Time has passed; nothing else.
struct Tick {};

using Event = std::variant<RankJoined, RankReady, Heartbeat, Progressed, BatchAsked, ShardFinished, ShardFailed,
                           ShardReturned, RankDied, StopAsked, RunFailed, Tick>;

// ---- Journal entries: the accepted events that a later coordinator must know ---------------------------------------

// First line of every journal.
struct Opened {
  int version = 1;
  Plan plan;
  std::string job_digest;      // of the resolved job
  std::string dataset_digest;  // fingerprint
  std::string model_digest;
  friend bool operator==(const Opened&, const Opened&) = default;
};
// A coordinator takes over: the first, one of a resumed run, or a survivor's after rank 0 died.
struct Started {
  int incarnation = 1;
  int ranks = 0;
  std::int64_t unix_seconds = 0;
  int slots = 3;  // leases that a rank may hold at most, until `Ahead` says otherwise
  friend bool operator==(const Started&, const Started&) = default;
};
// From now on a rank may hold up to so many leases.
struct Ahead {
  int slots = 0;
  friend bool operator==(const Ahead&, const Ahead&) = default;
};
struct Committed {
  ShardId shard = 0;
  int attempts = 1;
  Rank rank = 0;
  std::uint64_t checksum = 0;
  Seconds seconds = 0;
  std::vector<BadRow> bad;
  Seconds elapsed = 0;  // of this incarnation: what is known of its length if it is cut off
  friend bool operator==(const Committed&, const Committed&) = default;
};
// Rows [0, durable) of a shard that is not done need not be computed again.
struct Advanced {
  ShardId shard = 0;
  std::int64_t durable = 0;
  std::vector<BadRow> bad;  // among them, in addition to those of earlier entries
  friend bool operator==(const Advanced&, const Advanced&) = default;
};
// Stands for all ranks of an incarnation that was cut off.
inline constexpr Rank every_rank = -2;
// An attempt at a shard came to nothing. `at` is the row that the model was at when its rank died, -1 if no row is to
// blame (the rank lives on); `skip` is true if that row alone did it. rank: every_rank if the incarnation was cut off.
struct AttemptLost {
  ShardId shard = 0;
  Rank rank = 0;
  std::int64_t at = 0;
  bool skip = false;
  std::string reason;
  friend bool operator==(const AttemptLost&, const AttemptLost&) = default;
};
// A rank begins with a batch of a lease that is `again`. Without what follows, an incarnation that was cut off tells by
// it what the rank was at. row: -1 if it has left off; alone: it is one record, not a batch.
struct Begun {
  Rank rank = 0;
  ShardId shard = 0;
  std::int64_t row = -1;
  bool alone = false;
  friend bool operator==(const Begun&, const Begun&) = default;
};
// Everything died together while several batches were begun: this shard's may be to blame, or another's.
struct Suspected {
  ShardId shard = 0;
  friend bool operator==(const Suspected&, const Suspected&) = default;
};
struct RankGone {
  Rank rank = 0;
  Seconds elapsed = 0;  // of this incarnation
  std::string reason;
  friend bool operator==(const RankGone&, const RankGone&) = default;
};
// Last line of an incarnation that ended by itself. done or quarantined is the run's done mark.
struct Ended {
  ExitCode outcome = ExitCode::done;
  Seconds elapsed = 0;  // of this incarnation
  std::string message;
  bool storage = false;  // the disk was at fault
  friend bool operator==(const Ended&, const Ended&) = default;
};

// The entries before are those of a run's parts, one part after the other. What cannot be added up:
struct Gathered {
  int parts = 1;
  int ranks = 0;        // of the parts' last incarnations together
  Seconds elapsed = 0;  // while at least one part was running
  friend bool operator==(const Gathered&, const Gathered&) = default;
};

using Entry =
    std::variant<Opened, Started, Ahead, Committed, Advanced, AttemptLost, Begun, Suspected, RankGone, Ended, Gathered>;

// ---- Actions ------------------------------------------------------------------------------------------------------

// Append to the journal. Actions behind this one in the same answer wait until it is durable.
struct Record {
  Entry entry;
};
// Give a shard to a rank: compute rows [first_row, count), but for the rows in `skip`, which are quarantined as they
// are, and reported among the bad. careful: one record at a time up to the end of the batch of first_row, each durable
// and reported before the next begins, since a batch of this shard has killed its ranks.
struct Grant {
  Rank rank = 0;
  ShardId shard = 0;
  Attempt attempt = 0;
  std::int64_t first_row = 0;
  bool careful = false;
  // It may have killed its rank: before every batch, ask and wait for the word. Such a lease is the rank's only one.
  bool again = false;
  std::vector<BadRow> skip;
};
// The answer to BatchAsked: what came before is durable, and the journal knows what begins.
struct Proceed {
  Rank rank = 0;
  ShardId shard = 0;
  Attempt attempt = 0;
  std::int64_t row = 0;
};
// Stop working on it; somebody else has finished it, or the run stops.
struct Revoke {
  Rank rank = 0;
  ShardId shard = 0;
  Attempt attempt = 0;
};
// Taken for dead: make sure that it is.
struct Kill {
  Rank rank = 0;
  std::string reason;
};
// Nothing is left to do. Everything before is in the journal, this too.
struct Finish {
  ExitCode outcome = ExitCode::done;
  std::string message;
};

using Action = std::variant<Record, Grant, Proceed, Revoke, Kill, Finish>;
using Actions = std::vector<Action>;

// ---- Figures ------------------------------------------------------------------------------------------------------

struct Figures {
  std::int64_t tasks_submitted = 0;  // shards of the plan that this run computes
  std::int64_t tasks_completed = 0;  // shards done
  std::int64_t records = 0;          // of the shards submitted
  std::int64_t records_done = 0;     // computed or quarantined
  std::int64_t records_quarantined = 0;
  std::int64_t records_recomputed = 0;  // computed by an attempt that was lost, as far as was known
  std::int64_t faults = 0;              // lost ranks, failed attempts, incarnations cut off
  std::int64_t faults_recovered = 0;    // those whose shards are all done
  std::int64_t attempts_lost = 0;
  int incarnations = 0;
  int ranks = 0;                  // of this incarnation
  int ranks_alive = 0;            // of those
  Seconds elapsed = 0;            // over all incarnations
  Seconds busy = 0;               // seconds of all committed shards, over all ranks and incarnations
  Seconds rank_seconds = 0;       // what the ranks could have been busy
  Seconds longest_detection = 0;  // from a rank's last sign to knowing that it is dead
  Seconds longest_recovery = 0;   // from losing an attempt to leasing its shard again

  double utilization() const;      // tasks completed / tasks submitted
  double load() const;             // records / second
  double fault_tolerance() const;  // faults recovered / faults; 1 if there were none
};

}  // namespace shardmill::coordinator
