// The coordinator's verdicts: what a death costs, and which record did it.
#include <algorithm>
#include <utility>

#include "coordinator/coordinator.hpp"

namespace shardmill::coordinator {

void Coordinator::bury(Rank rank, const std::string& reason) {
  const auto found = ranks_.find(rank);
  if (run_ == RunState::ended || found == ranks_.end() || !found->second.alive) return;
  found->second.alive = false;
  --alive_;
  longest_detection_ = std::max(longest_detection_, now_ - found->second.heard);
  note_slots(rank);
  record(RankGone{rank, now_ - started_, reason});
  // Leases are worked on in order, so the rank was at the last one that it told of: those before it are computed and
  // only wait for the disk, those behind it are not begun, and neither cost an attempt. Of a suspect it is known; with
  // any other the rank may have died before it could tell.
  const std::vector<ShardId> held = found->second.leases;
  std::optional<ShardId> begun;
  for (const ShardId shard : held) {
    const Lease& lease = lease_of(rank, shard);
    if (lease.again ? lease.at >= durable(shard) : lease.begun || shard == held.front()) begun = shard;
  }
  for (const ShardId shard : held) {
    if (run_ == RunState::ended) return;
    const Lease lease = lease_of(rank, shard);
    if (shard == begun) {
      lose(rank, shard, lease.again ? lease.at : std::max(lease.computed, durable(shard)), reason);
    } else {
      count_recomputed(shard, lease.computed);
      drop_lease(rank, shard);
      put_back(shard, /*suspect=*/true);
    }
  }
}

// Takes back the lease.
void Coordinator::lose(Rank rank, ShardId shard, std::int64_t at, const std::string& reason) {
  const Lease lease = lease_of(rank, shard);
  count_recomputed(shard, lease.computed);
  const bool guilty = record_loss(rank, shard, at, lease.alone_at(at), reason);
  if (run_ == RunState::ended) return;
  drop_lease(rank, shard);
  if (guilty) revoke_all(shard);  // they do not know that they are to skip it
  put_back(shard, /*suspect=*/true);
}

// A record is guilty if the ranks died max_attempts times in a row in its batch, the last time on it alone. A careful
// lease may have left the rows that go one at a time behind it: then its death blames a batch, not a record.
bool Coordinator::record_loss(Rank rank, ShardId shard, std::int64_t at, bool alone, const std::string& reason) {
  const Trouble* before = ledger_.trouble(shard);
  const bool same_batch =
      before != nullptr && before->at >= 0 && before->at / policy_.batch_size == at / policy_.batch_size;
  const int strikes = same_batch ? before->strikes + 1 : 1;
  const bool guilty = at >= 0 && alone && strikes >= policy_.max_attempts;
  if (guilty && policy_.fail_on_bad_record) {
    end(ExitCode::failed, "record " + std::to_string(ledger_.plan().first(shard) + at) + " ended its rank " +
                              std::to_string(strikes) + " times and the job says on_bad_record: fail: " + reason);
    return true;
  }
  record(AttemptLost{shard, rank, at, guilty, reason});
  return guilty;
}

// What nobody saw die. Ranks that have outlived their coordinator have died of nothing, and those that have not died
// each by itself. If everything ended together, the only batch that was begun is to blame; of several, any; and perhaps
// none, if a death that was seen may have ended all (without an MPI that survives one, say).
void Coordinator::blame_cut_off(const std::vector<Rank>& outlived, bool seen) {
  std::map<std::pair<ShardId, std::int64_t>, Begun> batches;
  for (const auto& [rank, begun] : std::map<Rank, Begun>(ledger_.begun())) {
    if (std::find(outlived.begin(), outlived.end(), rank) != outlived.end()) {
      record(Begun{rank, begun.shard, -1, false});
    } else {
      batches.try_emplace({begun.shard, begun.row / policy_.batch_size}, begun);
    }
  }
  const bool clear = !outlived.empty() || (batches.size() == 1 && !seen);
  for (const auto& [batch, begun] : batches) {
    if (run_ == RunState::ended) return;
    if (clear) {
      record_loss(every_rank, begun.shard, begun.row, begun.alone, "the run was cut off while it was computed");
    } else {
      record(Suspected{begun.shard});
    }
  }
}

void Coordinator::revoke_all(ShardId shard) {
  const auto found = leases_.find(shard);
  if (found == leases_.end()) return;
  for (const Lease& lease : std::vector<Lease>(found->second)) {
    actions_.push_back(Revoke{lease.rank, shard, lease.attempt});
    drop_lease(lease.rank, shard);
  }
}

void Coordinator::count_recomputed(ShardId shard, std::int64_t computed) {
  recomputed_ += std::max<std::int64_t>(computed - durable(shard), 0);
}

}  // namespace shardmill::coordinator
