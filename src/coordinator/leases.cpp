// The coordinator's leases: who holds what, and who gets what next.
#include <algorithm>
#include <utility>

#include "coordinator/coordinator.hpp"
#include "job/error.hpp"

namespace shardmill::coordinator {

Coordinator::Lease* Coordinator::held(Rank rank, ShardId shard, Attempt attempt) {
  const auto found = leases_.find(shard);
  if (found == leases_.end()) return nullptr;
  for (Lease& lease : found->second) {
    if (lease.rank == rank && lease.attempt == attempt) return &lease;
  }
  return nullptr;
}

Coordinator::Lease& Coordinator::lease_of(Rank rank, ShardId shard) {
  std::vector<Lease>& leases = leases_.at(shard);
  const auto found = std::find_if(leases.begin(), leases.end(), [rank](const Lease& l) { return l.rank == rank; });
  SHARDMILL_CHECK(found != leases.end(), "the rank holds the shard");
  return *found;
}

// As many as it asks for, but for a few shards that take long no more than its share of what is left: what it holds and
// has not begun, no other rank can begin.
int Coordinator::most_for(const RankState& rank) const {
  const std::int64_t left = ledger_.plan().shards() - ledger_.done().size();
  const std::int64_t share = std::max<std::int64_t>(left / std::max(alive_, 1), 1);
  return static_cast<int>(std::min<std::int64_t>(rank.slots, share));
}

void Coordinator::note_slots(Rank rank) {
  const RankState& state = ranks_.at(rank);
  const bool room = state.alive && !state.alone && std::ssize(state.leases) < most_for(state);
  auto list = [rank](std::set<Rank>& ranks, bool listed) {
    listed ? void(ranks.insert(rank)) : void(ranks.erase(rank));
  };
  list(idle_, room && state.leases.empty());
  list(hungry_, room && !state.leases.empty());
}

// Lists the shard in by_age_, or takes it out, around a change of its leases.
void Coordinator::note_age(ShardId shard, bool listed) {
  const auto found = leases_.find(shard);
  if (found == leases_.end() || found->second.size() != 1 || found->second.front().careful) return;
  if (listed) {
    by_age_.emplace(found->second.front().since, shard);
  } else {
    by_age_.erase({found->second.front().since, shard});
  }
}

void Coordinator::drop_lease(Rank rank, ShardId shard) {
  if (const auto begun = ledger_.begun().find(rank); begun != ledger_.begun().end() && begun->second.shard == shard) {
    record(Begun{rank, shard, -1, false});  // it has left off, and lives
  }
  note_age(shard, false);
  std::vector<Lease>& leases = leases_.at(shard);
  std::erase_if(leases, [rank](const Lease& lease) { return lease.rank == rank; });
  if (leases.empty()) {
    leases_.erase(shard);
  } else {
    note_age(shard, true);
  }
  RankState& state = ranks_.at(rank);
  if (state.leases.front() == shard) state.progress = now_;  // the clock of the next one starts now
  std::erase(state.leases, shard);
  if (state.leases.empty()) state.alone = false;
  note_slots(rank);
}

void Coordinator::put_back(ShardId shard, bool suspect) {
  if (leases_.contains(shard) || ledger_.is_done(shard)) return;
  SHARDMILL_CHECK(next(ShardState::leased, ShardStep::lose) == ShardState::pending, "a lost shard is pending");
  waiting_.put_back(shard, suspect);
  if (suspect) lost_at_.try_emplace(shard, now_);
}

void Coordinator::grant_to_waiting() {
  if (run_ != RunState::running) return;
  serve_idle();
  serve_ahead();
}

void Coordinator::serve_idle() {
  while (!idle_.empty()) {
    const Rank rank = *idle_.begin();
    if (const auto next = waiting_.pop(std::ssize(leases_))) {
      grant(rank, next->shard, next->again);
    } else if (const auto shard = straggler()) {
      grant(rank, *shard, lease_of(leases_.at(*shard).front().rank, *shard).again);
    } else {
      return;  // look again at the next tick
    }
  }
}

// Leases in advance, so that no rank waits for a message. One rank after the other, so that its rows lie together.
void Coordinator::serve_ahead() {
  while (!hungry_.empty()) {
    const Rank rank = *hungry_.begin();
    const RankState& state = ranks_.at(rank);
    if (std::ssize(state.leases) >= most_for(state)) {
      hungry_.erase(rank);  // its share has shrunk
      continue;
    }
    const auto shard = waiting_.pop_ahead();
    if (!shard) return;
    grant(rank, *shard, /*again=*/false);
  }
}

void Coordinator::grant(Rank rank, ShardId shard, bool again) {
  SHARDMILL_CHECK(next(state(shard), ShardStep::lease) == ShardState::leased, "only open shards are leased");
  RankState& state = ranks_.at(rank);
  Grant grant;
  grant.rank = rank;
  grant.shard = shard;
  grant.attempt = next_attempt_++;
  grant.again = again;
  if (const Trouble* trouble = ledger_.trouble(shard)) {
    grant.first_row = trouble->durable;
    grant.again = again || trouble->attempts > 0;  // a straggler may have become a suspect meanwhile
    grant.skip = trouble->skip;
    // Also where careful work ended in the middle of a batch: what is left of it must not be cut otherwise.
    grant.careful =
        trouble->durable % policy_.batch_size != 0 || trouble->strikes >= std::max(policy_.max_attempts - 1, 1);
  }
  const std::int64_t careful_end =
      std::min((grant.first_row / policy_.batch_size + 1) * policy_.batch_size, ledger_.plan().count(shard));
  Lease lease;
  lease.rank = rank;
  lease.attempt = grant.attempt;
  lease.since = now_;
  lease.computed = grant.first_row;
  lease.careful = grant.careful;
  lease.again = grant.again;
  lease.careful_end = careful_end;
  note_age(shard, false);
  leases_[shard].push_back(lease);
  note_age(shard, true);
  if (state.leases.empty()) state.progress = now_;
  state.leases.push_back(shard);
  if (lease.again) state.alone = true;
  note_slots(rank);
  if (const auto lost = lost_at_.find(shard); lost != lost_at_.end()) {
    longest_recovery_ = std::max(longest_recovery_, now_ - lost->second);
    lost_at_.erase(lost);
  }
  actions_.push_back(std::move(grant));
}

// The word to those that wait for it: a batch begins when all before it is durable, so that a death blames the right
// one.
void Coordinator::proceed(ShardId shard) {
  for (Lease& lease : leases_.at(shard)) {
    if (lease.asked < 0 || lease.asked > durable(shard)) continue;
    lease.at = std::exchange(lease.asked, -1);
    lease.computed = std::max(lease.computed, lease.at);
    record(Begun{lease.rank, shard, lease.at, lease.alone_at(lease.at)});
    actions_.push_back(Proceed{lease.rank, shard, lease.attempt, lease.at});
  }
}

// The shard that has been out longest with one rank only, once it takes clearly longer than shards do.
std::optional<ShardId> Coordinator::straggler() const {
  if (committed_ == 0 || !waiting_.may_double()) return std::nullopt;
  const Seconds patience =
      std::max(policy_.straggler_patience, 2 * committed_seconds_ / static_cast<double>(committed_));
  if (by_age_.empty() || by_age_.begin()->first > now_ - patience) return std::nullopt;
  return by_age_.begin()->second;
}

}  // namespace shardmill::coordinator
