// The coordinator: a pure state machine. Events in, actions out; it knows no MPI, file, clock or thread, so that the
// same code runs live, replays a journal, and is tested against thousands of simulated fault schedules.
//
// Contract of the caller: carry out actions in order; do not carry out what stands behind a Record until the journal is
// durable (records of one answer may share a sync); hand over the messages that have arrived before a Tick; hand over
// what a rank said before its RankDied.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "coordinator/ledger.hpp"
#include "coordinator/life_cycle.hpp"
#include "coordinator/types.hpp"
#include "coordinator/waiting.hpp"

namespace shardmill::coordinator {

struct Policy {
  int max_attempts = 3;
  Seconds shard_timeout = 300;  // a rank with leases that reports no progress for so long is dead
  Seconds rank_timeout = 10;    // a rank that says nothing at all for so long is dead
  // A lease is never doubled before this time: a dead rank is noticed sooner, and less is not worth computing twice.
  Seconds straggler_patience = 0.25;
  bool fail_on_bad_record = false;
  std::int64_t max_quarantined = std::numeric_limits<std::int64_t>::max();  // with more the run fails
  std::int64_t batch_size = 1;
  int slots = 3;         // leases that a rank may hold at most
  int most_slots = 256;  // and where it asks for more, since its shards are short
  // The run stops in time for all that it has begun to be finished by then (the walltime).
  Seconds deadline = std::numeric_limits<Seconds>::infinity();
  // For messages: the row of the shard that an event's row stands for. None: the same.
  std::function<std::int64_t(ShardId, std::int64_t)> row_at;
};

class Coordinator {
 public:
  // `ledger` is fresh or replayed from a journal.
  Coordinator(Ledger ledger, Policy policy);

  // The first call. Records the incarnation; ends at once if nothing is left to do. outlived: these ranks have seen the
  // coordinator before this one die; else all of them are new.
  Actions start(const std::vector<Rank>& alive, std::int64_t unix_seconds, Seconds now, bool outlived = false);
  // Ranks 0 to ranks - 1.
  Actions start(int ranks, std::int64_t unix_seconds, Seconds now);
  Actions on(const Event& event, Seconds now);

  bool ended() const { return run_ == RunState::ended; }
  const Ledger& ledger() const { return ledger_; }
  // No rank is left that could work.
  bool deserted() const { return alive_ == 0; }
  Figures figures(Seconds now) const;
  // Whether the rank holds the shard under this attempt number.
  bool holds(Rank rank, ShardId shard, Attempt attempt) { return held(rank, shard, attempt) != nullptr; }
  // Where a shard stands, for status and tests.
  ShardState state(ShardId shard) const;

 private:
  struct Lease {
    Rank rank = 0;
    Attempt attempt = 0;
    Seconds since = 0;
    std::int64_t computed = 0;
    bool careful = false;
    bool again = false;
    std::int64_t careful_end = 0;  // of the rows that go one at a time
    bool begun = false;            // the rank has told of it
    // If it is `again`: rows of the batch that waits for the word, and of the last one that got it.
    std::int64_t asked = -1;
    std::int64_t at = -1;
    bool alone_at(std::int64_t row) const { return careful && row < careful_end; }
  };
  struct RankState {
    bool alive = true;
    int slots = 0;
    std::vector<ShardId> leases;  // in the order granted
    Seconds heard = 0;            // last message
    Seconds progress = 0;         // last sign that its oldest lease moves
    bool alone = false;           // its one lease is of a suspect
  };

  void handle(const RankJoined& event);
  void handle(const RankReady& event);
  void handle(const Heartbeat& event);
  void handle(const Progressed& event);
  void handle(const BatchAsked& event);
  void handle(const ShardFinished& event);
  void handle(const ShardFailed& event);
  void handle(const ShardReturned& event);
  void handle(const RankDied& event);
  void handle(const StopAsked& event);
  void handle(const RunFailed& event);
  void handle(const Tick& event);
  void bury_overdue(Seconds last_tick);

  RankState* alive(Rank rank);
  // The lease if this rank holds it under this attempt number, else nullptr: the fence against late answers.
  Lease* held(Rank rank, ShardId shard, Attempt attempt);
  Lease& lease_of(Rank rank, ShardId shard);  // must be there
  void count_recomputed(ShardId shard, std::int64_t computed);
  void revoke_all(ShardId shard);
  bool fail_on_bad(ShardId shard, const std::vector<BadRow>& bad);
  void record(Entry entry);
  // Leases that the rank may hold.
  int most_for(const RankState& rank) const;
  void note_slots(Rank rank);
  void note_age(ShardId shard, bool listed);
  void drop_lease(Rank rank, ShardId shard);
  std::int64_t durable(ShardId shard) const;  // rows
  void proceed(ShardId shard);
  // Takes the lease back as an attempt that came to nothing, and decides what becomes of the shard. `at` as in
  // AttemptLost.
  void lose(Rank rank, ShardId shard, std::int64_t at, const std::string& reason);
  // Writes the loss down; true if `at` is a record that is found guilty. May end the run.
  bool record_loss(Rank rank, ShardId shard, std::int64_t at, bool alone, const std::string& reason);
  void blame_cut_off(const std::vector<Rank>& outlived, bool seen);
  void put_back(ShardId shard, bool suspect);
  // Leaves the shards of the dead to be leased, which waits until all the dead are known.
  void bury(Rank rank, const std::string& reason);
  void grant_to_waiting();
  void serve_idle();
  void serve_ahead();
  void grant(Rank rank, ShardId shard, bool again);
  std::optional<ShardId> straggler() const;
  void stop_before_deadline();
  void take_back_late();
  void settle();
  void end(ExitCode outcome, const std::string& message, bool storage = false);

  Ledger ledger_;
  Policy policy_;
  Waiting waiting_;
  std::map<ShardId, std::vector<Lease>> leases_;
  std::set<std::pair<Seconds, ShardId>> by_age_;  // what may be leased a second time, by when it was leased
  std::map<ShardId, Seconds> lost_at_;            // for the recovery time
  std::unordered_map<Rank, RankState> ranks_;
  int alive_ = 0;                    // of ranks_
  std::set<Rank> idle_;              // alive, with a slot free and no lease
  std::set<Rank> hungry_;            // alive, with leases and, when last looked at, room for one more
  std::map<ShardId, int> failures_;  // attempts that ended with the rank alive
  RunState run_ = RunState::running;
  std::string stop_reason_;
  Seconds take_back_at_ = std::numeric_limits<Seconds>::infinity();  // while stopping: what is still out
  Seconds started_ = 0;
  Seconds now_ = 0;
  Seconds last_tick_ = 0;
  Seconds nobody_overdue_before_ = -std::numeric_limits<Seconds>::infinity();
  Attempt next_attempt_ = 1;
  std::int64_t recomputed_ = 0;
  Seconds longest_detection_ = 0;
  Seconds longest_recovery_ = 0;
  Seconds committed_seconds_ = 0;
  std::int64_t committed_ = 0;
  Actions actions_;
};

}  // namespace shardmill::coordinator
