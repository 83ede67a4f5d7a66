#include "coordinator/coordinator.hpp"

#include <algorithm>

#include "job/error.hpp"

namespace shardmill::coordinator {

Coordinator::Coordinator(Ledger ledger, Policy policy) : ledger_(std::move(ledger)), policy_(policy) {
  std::int64_t next_free = 0;
  for (const auto& [first, last] : ledger_.done().intervals()) {
    if (next_free < first) pending_.insert(next_free, first);
    next_free = last;
  }
  if (next_free < ledger_.plan().shards()) pending_.insert(next_free, ledger_.plan().shards());
}

Actions Coordinator::start(int ranks, std::int64_t unix_seconds, Seconds now) {
  now_ = started_ = now;
  actions_.clear();
  record(Started{ledger_.incarnations() + 1, ranks, unix_seconds});
  for (Rank rank = 0; rank < ranks; ++rank) ranks_[rank] = RankState{true, 0, {}, now, now};
  // Attempt numbers of an earlier incarnation must never be taken for ours.
  next_attempt_ = ledger_.incarnations() * 1'000'000 + 1;
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
  if (is_new) found->second = RankState{true, 0, {}, now_, now_};
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
  if (state.alive && static_cast<int>(state.leases.size()) < state.slots) {
    hungry_.insert(rank);
  } else {
    hungry_.erase(rank);
  }
}

void Coordinator::handle(const RankDied& event) { bury(event.rank, event.reason); }

void Coordinator::handle(const Tick&) {
  std::vector<std::pair<Rank, std::string>> dead;
  for (const auto& [rank, state] : ranks_) {
    if (!state.alive) continue;
    if (now_ - state.heard > policy_.rank_timeout) {
      dead.emplace_back(rank, "silent for longer than rank_timeout");
    } else if (!state.leases.empty() && now_ - state.progress > policy_.shard_timeout) {
      dead.emplace_back(rank, "no progress on shard " + std::to_string(state.leases.front()) +
                                  " for longer than shard_timeout");
    }
  }
  for (const auto& [rank, reason] : dead) {
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
  // Leases are worked on in order: only the first was begun, and the others cost no attempt.
  const std::vector<ShardId> held = found->second.leases;
  for (const ShardId shard : held) {
    if (run_ == RunState::ended) return;
    if (shard == held.front()) {
      lose(rank, shard, reason);
    } else {
      lost_at_.try_emplace(shard, now_);
      drop_lease(rank, shard);
      put_back(shard);
    }
  }
  grant_to_waiting();
}

// ---- Events: shards ---------------------------------------------------------------------------------------------------

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
  lease->computed = std::max(lease->computed, event.computed);
  const Trouble* trouble = ledger_.trouble(event.shard);
  if (event.durable > (trouble == nullptr ? 0 : trouble->durable)) {
    record(Advanced{event.shard, event.durable, event.bad});
  }
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
                   event.seconds, std::move(bad)});
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
  lose(event.rank, event.shard, event.message);
  const Trouble* trouble = ledger_.trouble(event.shard);
  if (run_ != RunState::ended && trouble != nullptr && trouble->attempts >= policy_.max_attempts) {
    end(ExitCode::failed, "shard " + std::to_string(event.shard) + " failed " + std::to_string(trouble->attempts) +
                              " times; the last time: " + event.message);
    return;
  }
  grant_to_waiting();
}

void Coordinator::handle(const ShardReturned& event) {
  if (alive(event.rank) == nullptr || held(event.rank, event.shard, event.attempt) == nullptr) return;
  drop_lease(event.rank, event.shard);
  put_back(event.shard);
  grant_to_waiting();
}

void Coordinator::drop_lease(Rank rank, ShardId shard) {
  std::vector<Lease>& leases = leases_.at(shard);
  std::erase_if(leases, [rank](const Lease& lease) { return lease.rank == rank; });
  if (leases.empty()) leases_.erase(shard);
  std::erase(ranks_.at(rank).leases, shard);
  note_slots(rank);
}

void Coordinator::put_back(ShardId shard) {
  if (leases_.contains(shard) || ledger_.is_done(shard)) return;
  SHARDMILL_CHECK(next(ShardState::leased, ShardStep::lose) == ShardState::pending, "a lost shard is pending");
  pending_.insert(shard);
}

void Coordinator::lose(Rank rank, ShardId shard, const std::string& reason) {
  const std::vector<Lease>& leases = leases_.at(shard);
  const auto lease = std::find_if(leases.begin(), leases.end(), [rank](const Lease& l) { return l.rank == rank; });
  const Trouble* before = ledger_.trouble(shard);
  const std::int64_t durable = before == nullptr ? 0 : before->durable;
  const std::int64_t at = std::max(lease->computed, durable);
  // A record is guilty if the ranks died max_attempts times in a row in its batch, the last time on it alone.
  const bool same_batch = before != nullptr && before->at >= 0 && before->at / policy_.batch_size == at / policy_.batch_size;
  const int strikes = same_batch ? before->strikes + 1 : 1;
  const bool guilty = lease->careful && strikes >= policy_.max_attempts && at < ledger_.plan().count(shard);
  recomputed_ += at - durable;
  if (guilty && policy_.fail_on_bad_record) {
    end(ExitCode::failed, "record " + std::to_string(ledger_.plan().first(shard) + at) + " ended its rank " +
                              std::to_string(strikes) + " times and the job says on_bad_record: fail: " + reason);
    return;
  }
  record(AttemptLost{shard, rank, at, guilty, reason});
  lost_at_.try_emplace(shard, now_);
  drop_lease(rank, shard);
  put_back(shard);
}

// ---- Leasing ----------------------------------------------------------------------------------------------------------

void Coordinator::grant_to_waiting() {
  // Ranks without work first; a second lease ahead only while there is enough for all.
  serve(/*ahead=*/false);
  serve(/*ahead=*/true);
}

void Coordinator::serve(bool ahead) {
  bool granted = true;
  while (granted && run_ == RunState::running) {
    granted = false;
    for (auto next_rank = hungry_.begin(); next_rank != hungry_.end();) {
      const Rank rank = *next_rank++;  // granting may take it out of the set
      if (!ahead && !ranks_.at(rank).leases.empty()) continue;
      if (!pending_.empty()) {
        grant(rank, pending_.pop_first());
        granted = true;
      } else if (!ahead) {
        const auto shard = straggler_for(rank);
        if (!shard) return;  // nothing for this rank, and hardly for the others: look again at the next tick
        grant(rank, *shard);
      } else {
        return;
      }
    }
  }
}

void Coordinator::grant(Rank rank, ShardId shard) {
  SHARDMILL_CHECK(next(state(shard), ShardStep::lease) == ShardState::leased, "only open shards are leased");
  RankState& state = ranks_.at(rank);
  Grant grant;
  grant.rank = rank;
  grant.shard = shard;
  grant.attempt = next_attempt_++;
  if (const Trouble* trouble = ledger_.trouble(shard)) {
    grant.first_row = trouble->durable;
    grant.again = trouble->attempts > 0;
    grant.skip = trouble->skip;
    grant.careful = trouble->durable % policy_.batch_size != 0 ||
                    trouble->strikes >= std::max(policy_.max_attempts - 1, 1);
  }
  leases_[shard].push_back({rank, grant.attempt, now_, grant.first_row, grant.careful});
  if (state.leases.empty()) state.progress = now_;
  state.leases.push_back(shard);
  note_slots(rank);
  if (const auto lost = lost_at_.find(shard); lost != lost_at_.end()) {
    longest_recovery_ = std::max(longest_recovery_, now_ - lost->second);
    lost_at_.erase(lost);
  }
  actions_.push_back(std::move(grant));
}

// The shard that has been out longest with one other rank only, once it takes clearly longer than shards do.
std::optional<ShardId> Coordinator::straggler_for(Rank rank) const {
  if (committed_ == 0) return std::nullopt;
  const Seconds patience = 2 * committed_seconds_ / static_cast<double>(committed_);
  std::optional<ShardId> slowest;
  Seconds oldest = now_ - patience;
  for (const auto& [shard, leases] : leases_) {
    if (leases.size() != 1 || leases.front().rank == rank || leases.front().careful) continue;
    if (leases.front().since <= oldest) {
      oldest = leases.front().since;
      slowest = shard;
    }
  }
  return slowest;
}

// ---- The end ----------------------------------------------------------------------------------------------------------

void Coordinator::handle(const StopAsked& event) {
  run_ = next(run_, RunStep::stop);
  stop_reason_ = event.reason;
  for (const auto& [shard, leases] : leases_) {
    for (const Lease& lease : leases) actions_.push_back(Revoke{lease.rank, shard, lease.attempt});
  }
}

void Coordinator::handle(const RunFailed& event) { end(ExitCode::failed, event.message); }

void Coordinator::settle() {
  if (run_ == RunState::ended) return;
  if (ledger_.all_done()) {
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
