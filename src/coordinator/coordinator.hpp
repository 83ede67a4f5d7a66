// The coordinator: a pure state machine. Events in, actions out; it knows no MPI, file, clock or thread, so that the
// same code runs live, replays a journal, and is tested against thousands of simulated fault schedules.
//
// Contract of the caller: carry out actions in order; do not carry out what stands behind a Record until the journal is
// durable (records of one answer may share a sync); hand over the messages that have arrived before a Tick; hand over
// what a rank said before its RankDied.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "coordinator/ledger.hpp"
#include "coordinator/life_cycle.hpp"
#include "coordinator/types.hpp"

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
};

class Coordinator {
 public:
  // `ledger` is fresh or replayed from a journal.
  Coordinator(Ledger ledger, Policy policy);

  // The first call. Records the incarnation; ends at once if nothing is left to do.
  Actions start(const std::vector<Rank>& alive, std::int64_t unix_seconds, Seconds now);
  // Ranks 0 to ranks - 1.
  Actions start(int ranks, std::int64_t unix_seconds, Seconds now);
  Actions on(const Event& event, Seconds now);

  bool ended() const { return run_ == RunState::ended; }
  const Ledger& ledger() const { return ledger_; }
  Figures figures(Seconds now) const;
  // Where a shard stands, for status and tests.
  ShardState state(ShardId shard) const;

 private:
  struct Lease {
    Rank rank = 0;
    int attempt = 0;
    Seconds since = 0;
    std::int64_t computed = 0;
    bool careful = false;
    bool again = false;
    std::int64_t careful_end = 0;  // of the rows that go one at a time
    bool begun = false;            // the rank has told of it
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
  void handle(const ShardFinished& event);
  void handle(const ShardFailed& event);
  void handle(const ShardReturned& event);
  void handle(const RankDied& event);
  void handle(const StopAsked& event);
  void handle(const RunFailed& event);
  void handle(const Tick& event);

  RankState* alive(Rank rank);
  // The lease if this rank holds it under this attempt number, else nullptr: the fence against late answers.
  Lease* held(Rank rank, ShardId shard, int attempt);
  Lease& lease_of(Rank rank, ShardId shard);  // must be there
  void count_recomputed(ShardId shard, std::int64_t computed);
  void revoke_all(ShardId shard);
  bool fail_on_bad(ShardId shard, const std::vector<BadRow>& bad);
  void record(Entry entry);
  void note_slots(Rank rank);
  void drop_lease(Rank rank, ShardId shard);
  // Takes the lease back as an attempt that came to nothing, and decides what becomes of the shard. `at` as in
  // AttemptLost.
  void lose(Rank rank, ShardId shard, std::int64_t at, const std::string& reason);
  void put_back(ShardId shard, bool suspect);
  // Leaves the shards of the dead to be leased, which waits until all the dead are known.
  void bury(Rank rank, const std::string& reason);
  void grant_to_waiting();
  void serve_idle();
  void serve_ahead();
  void grant(Rank rank, ShardId shard, bool suspect);
  std::optional<ShardId> straggler() const;
  void settle();
  void end(ExitCode outcome, const std::string& message);

  Ledger ledger_;
  Policy policy_;
  IntervalSet pending_;
  // Pending too, but a rank died with it, at it or at what it held beside: leased alone, so that the next death tells.
  IntervalSet suspects_;
  std::map<ShardId, std::vector<Lease>> leases_;
  std::map<ShardId, Seconds> lost_at_;  // for the recovery time
  std::map<Rank, RankState> ranks_;
  std::set<Rank> idle_;              // alive, with a slot free and no lease
  std::set<Rank> hungry_;            // alive, with a slot free and leases
  std::map<ShardId, int> failures_;  // attempts that ended with the rank alive
  RunState run_ = RunState::running;
  std::string stop_reason_;
  Seconds started_ = 0;
  Seconds now_ = 0;
  Seconds last_tick_ = 0;
  int next_attempt_ = 1;
  std::int64_t recomputed_ = 0;
  Seconds longest_recovery_ = 0;
  Seconds committed_seconds_ = 0;
  std::int64_t committed_ = 0;
  Actions actions_;
};

}  // namespace shardmill::coordinator
