#include "coordinator/coordinator.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "job/error.hpp"

namespace shardmill::coordinator {

Coordinator::Coordinator(Ledger ledger, Policy policy) : ledger_(std::move(ledger)), policy_(policy) {
  std::int64_t next_free = 0;
  for (const auto& [first, last] : ledger_.done().intervals()) {
    if (next_free < first) pending_.insert(next_free, first);
    next_free = last;
  }
  if (next_free < ledger_.plan().shards()) pending_.insert(next_free, ledger_.plan().shards());
  for (const auto& [shard, trouble] : ledger_.troubles()) {
    if (trouble.attempts == 0) continue;
    pending_.erase(shard);
    suspects_.insert(shard);
  }
}

Actions Coordinator::start(int ranks, std::int64_t unix_seconds, Seconds now) {
  std::vector<Rank> all(static_cast<std::size_t>(ranks));
  std::iota(all.begin(), all.end(), 0);
  return start(all, unix_seconds, now);
}

Actions Coordinator::start(const std::vector<Rank>& alive_ranks, std::int64_t unix_seconds, Seconds now) {
  now_ = started_ = last_tick_ = now;
  actions_.clear();
  record(Started{ledger_.incarnations() + 1, static_cast<int>(alive_ranks.size()), unix_seconds});
  for (const Rank rank : alive_ranks) handle(RankJoined{rank});
  // Attempt numbers of an earlier incarnation must never be taken for ours.
  next_attempt_ = ledger_.incarnations() % 2000 * 1'000'000 + 1;
  settle();
  return std::move(actions_);
}

Actions Coordinator::on(const Event& event, Seconds now) {
  now_ = std::max(now, now_);
  actions_.clear();
  if (run_ != RunState::ended) {
    std::visit([this](const auto& e) { handle(e); }, event);
    settle();
  }
  return std::move(actions_);
}

Figures Coordinator::figures(Seconds now) const {
  const bool over = run_ == RunState::ended;
  Figures figures = ledger_.figures(over ? 0 : std::max(now, now_) - started_);
  figures.ranks_alive = static_cast<int>(
      std::count_if(ranks_.begin(), ranks_.end(), [](const auto& entry) { return entry.second.alive; }));
  figures.records_recomputed = recomputed_;
  figures.longest_recovery = longest_recovery_;
  return figures;
}

ShardState Coordinator::state(ShardId shard) const {
  if (ledger_.is_done(shard)) return ShardState::done;
  return leases_.contains(shard) ? ShardState::leased : ShardState::pending;
}

// ---- Events: who is there -------------------------------------------------------------------------------------------

Coordinator::RankState* Coordinator::alive(Rank rank) {
  const auto found = ranks_.find(rank);
  if (found == ranks_.end() || !found->second.alive) return nullptr;
  found->second.heard = now_;
  return &found->second;
}

void Coordinator::handle(const RankJoined& event) {
  const auto [found, is_new] = ranks_.try_emplace(event.rank);
  if (is_new) found->second.heard = found->second.progress = now_;
  alive(event.rank);
}

void Coordinator::handle(const Heartbeat& event) { alive(event.rank); }

void Coordinator::handle(const RankReady& event) {
  if (RankState* rank = alive(event.rank)) {
    rank->slots = event.slots;
    note_slots(event.rank);
    grant_to_waiting();
  }
}

void Coordinator::note_slots(Rank rank) {
  const RankState& state = ranks_.at(rank);
  idle_.erase(rank);
  hungry_.erase(rank);
  if (!state.alive || state.alone || static_cast<int>(state.leases.size()) >= state.slots) return;
  (state.leases.empty() ? idle_ : hungry_).insert(rank);
}

void Coordinator::handle(const RankDied& event) {
  bury(event.rank, event.reason);
  grant_to_waiting();
}

void Coordinator::handle(const Tick&) {
  std::vector<std::pair<Rank, std::string>> dead;
  // Who was overdue at the last tick and has not been heard since. Overdue by now would not do: after a pause of the
  // coordinator itself, what the ranks said meanwhile may not be read yet.
  const Seconds last_tick = std::exchange(last_tick_, now_);
  for (const auto& [rank, state] : ranks_) {
    if (!state.alive) continue;
    const bool silent = last_tick - state.heard > policy_.rank_timeout;
    const bool stuck = !state.leases.empty() && last_tick - state.progress > policy_.shard_timeout;
    if (!silent && !stuck) continue;
    dead.emplace_back(rank, silent ? "silent for longer than rank_timeout"
                                   : "no progress on shard " + std::to_string(state.leases.front()) +
                                         " for longer than shard_timeout");
  }
  for (const auto& [rank, reason] : dead) {
    if (run_ == RunState::ended) return;
    actions_.push_back(Kill{rank, reason});
    bury(rank, reason);
  }
  grant_to_waiting();
}

void Coordinator::bury(Rank rank, const std::string& reason) {
  const auto found = ranks_.find(rank);
  if (run_ == RunState::ended || found == ranks_.end() || !found->second.alive) return;
  found->second.alive = false;
  note_slots(rank);
  record(RankGone{rank, now_ - started_, reason});
  // Leases are worked on in order, so the rank was at the last one that it told of: those before it are computed and
  // only wait for the disk, those behind it are not begun, and neither cost an attempt. Of a suspect a rank always
  // tells; of any other it may have died before it could.
  const std::vector<ShardId> held = found->second.leases;
  std::optional<ShardId> begun;
  if (!held.empty() && !lease_of(rank, held.front()).again) begun = held.front();
  for (const ShardId shard : held) {
    if (lease_of(rank, shard).begun) begun = shard;
  }
  for (const ShardId shard : held) {
    if (run_ == RunState::ended) return;
    const std::int64_t computed = lease_of(rank, shard).computed;
    if (shard == begun) {
      const Trouble* trouble = ledger_.trouble(shard);
      lose(rank, shard, std::max(computed, trouble == nullptr ? 0 : trouble->durable), reason);
    } else {
      count_recomputed(shard, computed);
      drop_lease(rank, shard);
      put_back(shard, /*suspect=*/true);
    }
  }
}

// ---- Events: shards
// ---------------------------------------------------------------------------------------------------

Coordinator::Lease* Coordinator::held(Rank rank, ShardId shard, int attempt) {
  const auto found = leases_.find(shard);
  if (found == leases_.end()) return nullptr;
  for (Lease& lease : found->second) {
    if (lease.rank == rank && lease.attempt == attempt) return &lease;
  }
  return nullptr;
}

void Coordinator::handle(const Progressed& event) {
  RankState* rank = alive(event.rank);
  if (rank == nullptr) return;
  Lease* lease = held(event.rank, event.shard, event.attempt);
  if (lease == nullptr) return;
  rank->progress = now_;
  if (fail_on_bad(event.shard, event.bad)) return;
  lease->begun = true;
  lease->computed = std::max(lease->computed, event.computed);
  const Trouble* trouble = ledger_.trouble(event.shard);
  if (event.durable > (trouble == nullptr ? 0 : trouble->durable)) {
    record(Advanced{event.shard, event.durable, event.bad});
  }
}

Coordinator::Lease& Coordinator::lease_of(Rank rank, ShardId shard) {
  std::vector<Lease>& leases = leases_.at(shard);
  const auto found = std::find_if(leases.begin(), leases.end(), [rank](const Lease& l) { return l.rank == rank; });
  SHARDMILL_CHECK(found != leases.end(), "the rank holds the shard");
  return *found;
}

bool Coordinator::fail_on_bad(ShardId shard, const std::vector<BadRow>& bad) {
  if (!policy_.fail_on_bad_record || bad.empty()) return false;
  end(ExitCode::failed, "record " + std::to_string(ledger_.plan().first(shard) + bad.front().row) +
                            " is bad and the job says on_bad_record: fail: " + bad.front().message);
  return true;
}

void Coordinator::handle(const ShardFinished& event) {
  RankState* rank = alive(event.rank);
  if (rank == nullptr) return;
  if (held(event.rank, event.shard, event.attempt) == nullptr) return;
  rank->progress = now_;
  if (fail_on_bad(event.shard, event.bad)) return;
  const ShardState after = next(state(event.shard), ShardStep::commit);
  const Trouble* trouble = ledger_.trouble(event.shard);
  std::vector<BadRow> bad = trouble == nullptr ? std::vector<BadRow>() : trouble->bad;
  merge_bad_rows(bad, event.bad);
  record(Committed{event.shard, (trouble == nullptr ? 0 : trouble->attempts) + 1, event.rank, event.checksum,
                   event.seconds, std::move(bad), now_ - started_});
  ++committed_;
  committed_seconds_ += event.seconds;
  for (const Lease& lease : std::vector<Lease>(leases_[event.shard])) {
    if (lease.rank != event.rank) actions_.push_back(Revoke{lease.rank, event.shard, lease.attempt});
    drop_lease(lease.rank, event.shard);
  }
  SHARDMILL_CHECK(state(event.shard) == after, "a committed shard is done");
  grant_to_waiting();
}

void Coordinator::handle(const ShardFailed& event) {
  if (alive(event.rank) == nullptr || held(event.rank, event.shard, event.attempt) == nullptr) return;
  lose(event.rank, event.shard, /*at=*/-1, event.message);
  if (const int failures = ++failures_[event.shard]; failures >= policy_.max_attempts) {
    end(ExitCode::failed, "shard " + std::to_string(event.shard) + " failed " + std::to_string(failures) +
                              (failures == 1 ? " time; " : " times; ") + "the last time: " + event.message);
    return;
  }
  grant_to_waiting();
}

void Coordinator::handle(const ShardReturned& event) {
  if (alive(event.rank) == nullptr || held(event.rank, event.shard, event.attempt) == nullptr) return;
  const bool suspect = lease_of(event.rank, event.shard).again;
  drop_lease(event.rank, event.shard);
  put_back(event.shard, suspect);
  grant_to_waiting();
}

void Coordinator::drop_lease(Rank rank, ShardId shard) {
  std::vector<Lease>& leases = leases_.at(shard);
  std::erase_if(leases, [rank](const Lease& lease) { return lease.rank == rank; });
  if (leases.empty()) leases_.erase(shard);
  RankState& state = ranks_.at(rank);
  if (state.leases.front() == shard) state.progress = now_;  // the clock of the next one starts now
  std::erase(state.leases, shard);
  if (state.leases.empty()) state.alone = false;
  note_slots(rank);
}

void Coordinator::put_back(ShardId shard, bool suspect) {
  if (leases_.contains(shard) || ledger_.is_done(shard)) return;
  SHARDMILL_CHECK(next(ShardState::leased, ShardStep::lose) == ShardState::pending, "a lost shard is pending");
  (suspect ? suspects_ : pending_).insert(shard);
  if (suspect) lost_at_.try_emplace(shard, now_);
}

void Coordinator::count_recomputed(ShardId shard, std::int64_t computed) {
  const Trouble* trouble = ledger_.trouble(shard);
  recomputed_ += std::max<std::int64_t>(computed - (trouble == nullptr ? 0 : trouble->durable), 0);
}

void Coordinator::lose(Rank rank, ShardId shard, std::int64_t at, const std::string& reason) {
  const Lease lease = lease_of(rank, shard);
  const Trouble* before = ledger_.trouble(shard);
  // A record is guilty if the ranks died max_attempts times in a row in its batch, the last time on it alone. A careful
  // lease may have left the rows that go one at a time behind it: then its death blames a batch, not a record.
  const bool same_batch =
      before != nullptr && before->at >= 0 && before->at / policy_.batch_size == at / policy_.batch_size;
  const int strikes = same_batch ? before->strikes + 1 : 1;
  const bool guilty = at >= 0 && lease.careful && at < lease.careful_end && strikes >= policy_.max_attempts;
  count_recomputed(shard, lease.computed);
  if (guilty && policy_.fail_on_bad_record) {
    end(ExitCode::failed, "record " + std::to_string(ledger_.plan().first(shard) + at) + " ended its rank " +
                              std::to_string(strikes) + " times and the job says on_bad_record: fail: " + reason);
    return;
  }
  record(AttemptLost{shard, rank, at, guilty, reason});
  drop_lease(rank, shard);
  if (guilty) revoke_all(shard);  // they do not know that they are to skip it
  put_back(shard, /*suspect=*/true);
}

void Coordinator::revoke_all(ShardId shard) {
  const auto found = leases_.find(shard);
  if (found == leases_.end()) return;
  for (const Lease& lease : std::vector<Lease>(found->second)) {
    actions_.push_back(Revoke{lease.rank, shard, lease.attempt});
    drop_lease(lease.rank, shard);
  }
}

// ---- Leasing
// ----------------------------------------------------------------------------------------------------------

void Coordinator::grant_to_waiting() {
  if (run_ != RunState::running) return;
  serve_idle();
  serve_ahead();
}

void Coordinator::serve_idle() {
  while (!idle_.empty()) {
    const Rank rank = *idle_.begin();
    if (!suspects_.empty()) {
      grant(rank, suspects_.pop_first(), /*suspect=*/true);
    } else if (!pending_.empty()) {
      grant(rank, pending_.pop_first(), /*suspect=*/false);
    } else if (const auto shard = straggler()) {
      grant(rank, *shard, lease_of(leases_.at(*shard).front().rank, *shard).again);
    } else {
      return;  // look again at the next tick
    }
  }
}

// A second lease in advance, so that no rank waits for a message; only while there is enough for all, and not while a
// suspect waits for a rank that holds nothing else.
void Coordinator::serve_ahead() {
  bool granted = true;
  while (granted && suspects_.empty()) {
    granted = false;
    for (auto next_rank = hungry_.begin(); next_rank != hungry_.end() && !pending_.empty();) {
      const Rank rank = *next_rank++;  // granting may take it out of the set
      grant(rank, pending_.pop_first(), /*suspect=*/false);
      granted = true;
    }
  }
}

void Coordinator::grant(Rank rank, ShardId shard, bool suspect) {
  SHARDMILL_CHECK(next(state(shard), ShardStep::lease) == ShardState::leased, "only open shards are leased");
  RankState& state = ranks_.at(rank);
  Grant grant;
  grant.rank = rank;
  grant.shard = shard;
  grant.attempt = next_attempt_++;
  grant.again = suspect;
  if (const Trouble* trouble = ledger_.trouble(shard)) {
    grant.first_row = trouble->durable;
    grant.again = suspect || trouble->attempts > 0;  // a straggler may have become a suspect meanwhile
    grant.skip = trouble->skip;
    // Also where careful work ended in the middle of a batch: what is left of it must not be cut otherwise.
    grant.careful =
        trouble->durable % policy_.batch_size != 0 || trouble->strikes >= std::max(policy_.max_attempts - 1, 1);
  }
  const std::int64_t careful_end =
      std::min((grant.first_row / policy_.batch_size + 1) * policy_.batch_size, ledger_.plan().count(shard));
  leases_[shard].push_back(
      {rank, grant.attempt, now_, grant.first_row, grant.careful, grant.again, careful_end, false});
  if (state.leases.empty()) state.progress = now_;
  state.leases.push_back(shard);
  if (leases_.at(shard).back().again) state.alone = true;
  note_slots(rank);
  if (const auto lost = lost_at_.find(shard); lost != lost_at_.end()) {
    longest_recovery_ = std::max(longest_recovery_, now_ - lost->second);
    lost_at_.erase(lost);
  }
  actions_.push_back(std::move(grant));
}

// The shard that has been out longest with one rank only, once it takes clearly longer than shards do.
std::optional<ShardId> Coordinator::straggler() const {
  if (committed_ == 0) return std::nullopt;
  const Seconds patience =
      std::max(policy_.straggler_patience, 2 * committed_seconds_ / static_cast<double>(committed_));
  std::optional<ShardId> slowest;
  Seconds oldest = now_ - patience;
  for (const auto& [shard, leases] : leases_) {
    if (leases.size() != 1 || leases.front().careful) continue;
    if (leases.front().since <= oldest) {
      oldest = leases.front().since;
      slowest = shard;
    }
  }
  return slowest;
}

// ---- The end
// ----------------------------------------------------------------------------------------------------------

void Coordinator::handle(const StopAsked& event) {
  run_ = next(run_, RunStep::stop);
  stop_reason_ = event.reason;
  for (const auto& [shard, leases] : leases_) {
    for (const Lease& lease : leases) actions_.push_back(Revoke{lease.rank, shard, lease.attempt});
  }
}

void Coordinator::handle(const RunFailed& event) { end(event.outcome, event.message); }

void Coordinator::settle() {
  if (run_ == RunState::ended) return;
  if (ledger_.quarantined() > policy_.max_quarantined) {
    end(ExitCode::failed,
        std::to_string(ledger_.quarantined()) +
            " records are in quarantine, more than max_quarantined: " + std::to_string(policy_.max_quarantined));
  } else if (ledger_.all_done()) {
    const std::int64_t bad = ledger_.quarantined();
    end(bad > 0 ? ExitCode::quarantined : ExitCode::done,
        bad > 0 ? std::to_string(bad) + " records are in quarantine" : "");
  } else if (run_ == RunState::stopping && leases_.empty()) {
    end(ExitCode::preempted, stop_reason_);
  }
}

void Coordinator::end(ExitCode outcome, const std::string& message) {
  const bool all_well = outcome == ExitCode::done || outcome == ExitCode::quarantined || outcome == ExitCode::preempted;
  run_ = next(run_, all_well ? RunStep::settle : RunStep::fail);
  record(Ended{outcome, now_ - started_, message});
  actions_.push_back(Finish{outcome, message});
}

void Coordinator::record(Entry entry) {
  ledger_.apply(entry);
  actions_.push_back(Record{std::move(entry)});
}

}  // namespace shardmill::coordinator
