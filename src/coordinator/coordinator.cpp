#include "coordinator/coordinator.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "job/error.hpp"

namespace shardmill::coordinator {

namespace {
constexpr Attempt attempts_of_an_incarnation = 1'000'000'000'000;
}

Coordinator::Coordinator(Ledger ledger, Policy policy) : ledger_(std::move(ledger)), policy_(std::move(policy)) {}

Actions Coordinator::start(int ranks, std::int64_t unix_seconds, Seconds now) {
  std::vector<Rank> all(static_cast<std::size_t>(ranks));
  std::iota(all.begin(), all.end(), 0);
  return start(all, unix_seconds, now);
}

Actions Coordinator::start(const std::vector<Rank>& alive_ranks, std::int64_t unix_seconds, Seconds now,
                           bool outlived) {
  now_ = started_ = last_tick_ = now;
  actions_.clear();
  const bool cut_off = ledger_.incarnations() > 0 && !ledger_.ended();
  const std::int64_t most_leased = cut_off ? ledger_.most_leased() : 0;
  const bool seen = ledger_.rank_gone();
  record(Started{ledger_.incarnations() + 1, static_cast<int>(alive_ranks.size()), unix_seconds, policy_.slots});
  for (const Rank rank : alive_ranks) handle(RankJoined{rank});
  // Attempt numbers of an earlier incarnation must never be taken for ours.
  next_attempt_ = ledger_.incarnations() * attempts_of_an_incarnation + 1;
  blame_cut_off(outlived ? alive_ranks : std::vector<Rank>(), seen);
  waiting_ = Waiting(ledger_, most_leased, /*together=*/!outlived);
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
  figures.ranks_alive = alive_;
  figures.records_recomputed = recomputed_;
  figures.longest_detection = longest_detection_;
  figures.longest_recovery = longest_recovery_;
  return figures;
}

ShardState Coordinator::state(ShardId shard) const {
  if (ledger_.is_done(shard)) return ShardState::done;
  return leases_.contains(shard) ? ShardState::leased : ShardState::pending;
}

std::int64_t Coordinator::durable(ShardId shard) const {
  const Trouble* trouble = ledger_.trouble(shard);
  return trouble == nullptr ? 0 : trouble->durable;
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
  if (is_new) {
    found->second.heard = found->second.progress = now_;
    ++alive_;
  }
  alive(event.rank);
}

void Coordinator::handle(const Heartbeat& event) { alive(event.rank); }

void Coordinator::handle(const RankReady& event) {
  if (RankState* rank = alive(event.rank)) {
    rank->slots = std::min(event.slots, std::max(policy_.most_slots, policy_.slots));
    if (rank->slots > ledger_.slots()) record(Ahead{rank->slots});
    note_slots(event.rank);
    grant_to_waiting();
  }
}

void Coordinator::handle(const RankDied& event) {
  bury(event.rank, event.reason);
  grant_to_waiting();
}

void Coordinator::handle(const Tick&) {
  // Who was overdue at the last tick and has not been heard since. Overdue by now would not do: after a pause of the
  // coordinator itself, what the ranks said meanwhile may not be read yet.
  const Seconds last_tick = std::exchange(last_tick_, now_);
  if (last_tick > nobody_overdue_before_) bury_overdue(last_tick);
  if (run_ == RunState::ended) return;
  stop_before_deadline();
  take_back_late();
  grant_to_waiting();
}

// Also finds out when the next one can be overdue, at the earliest: most ticks need not look at every rank.
void Coordinator::bury_overdue(Seconds last_tick) {
  std::vector<std::pair<Rank, std::string>> dead;
  nobody_overdue_before_ = now_ + std::min(policy_.rank_timeout, policy_.shard_timeout);
  for (const auto& [rank, state] : ranks_) {
    if (!state.alive) continue;
    nobody_overdue_before_ = std::min(nobody_overdue_before_, state.heard + policy_.rank_timeout);
    if (!state.leases.empty())
      nobody_overdue_before_ = std::min(nobody_overdue_before_, state.progress + policy_.shard_timeout);
    const bool silent = last_tick - state.heard > policy_.rank_timeout;
    const bool stuck = !state.leases.empty() && last_tick - state.progress > policy_.shard_timeout;
    if (!silent && !stuck) continue;
    dead.emplace_back(rank, silent ? "silent for longer than rank_timeout"
                                   : "no progress on shard " + std::to_string(state.leases.front()) +
                                         " for longer than shard_timeout");
  }
  std::sort(dead.begin(), dead.end());
  for (const auto& [rank, reason] : dead) {
    if (run_ == RunState::ended) return;
    actions_.push_back(Kill{rank, reason});
    bury(rank, reason);
  }
}

// ---- Events: shards -------------------------------------------------------------------------------------------------

void Coordinator::handle(const Progressed& event) {
  RankState* rank = alive(event.rank);
  if (rank == nullptr) return;
  Lease* lease = held(event.rank, event.shard, event.attempt);
  if (lease == nullptr) return;
  rank->progress = now_;
  if (fail_on_bad(event.shard, event.bad)) return;
  lease->begun = lease->begun || !lease->again;
  lease->computed = std::max(lease->computed, event.computed);
  if (event.durable > durable(event.shard)) {
    record(Advanced{event.shard, event.durable, event.bad});
    proceed(event.shard);
  }
}

void Coordinator::handle(const BatchAsked& event) {
  RankState* rank = alive(event.rank);
  Lease* lease = rank == nullptr ? nullptr : held(event.rank, event.shard, event.attempt);
  if (lease == nullptr) return;
  rank->progress = now_;
  lease->asked = event.row;
  proceed(event.shard);
}

bool Coordinator::fail_on_bad(ShardId shard, const std::vector<BadRow>& bad) {
  if (!policy_.fail_on_bad_record || bad.empty()) return false;
  const std::int64_t row = policy_.row_at ? policy_.row_at(shard, bad.front().row) : bad.front().row;
  end(ExitCode::failed, "record " + std::to_string(ledger_.plan().first(shard) + row) +
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
  waiting_.done(event.shard);
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

// ---- The end --------------------------------------------------------------------------------------------------------

void Coordinator::handle(const StopAsked& event) {
  run_ = next(run_, RunStep::stop);
  stop_reason_ = event.reason;
  const Seconds never = std::numeric_limits<Seconds>::infinity();
  take_back_at_ = event.grace > 0 ? std::min(take_back_at_, now_ + event.grace) : never;  // or right now
  for (const auto& [shard, leases] : leases_) {
    for (const Lease& lease : leases) {
      const bool at_it = ranks_.at(lease.rank).leases.front() == shard;
      if (event.grace <= 0 || !at_it) actions_.push_back(Revoke{lease.rank, shard, lease.attempt});
    }
  }
}

// A shard that is begun now ends about two mean times later at the latest; one that would end after the deadline is not
// begun.
void Coordinator::stop_before_deadline() {
  if (run_ != RunState::running) return;
  const Seconds shard_time = committed_ == 0 ? 0 : 2 * committed_seconds_ / static_cast<double>(committed_);
  if (now_ + shard_time < policy_.deadline) return;
  handle(StopAsked{"the walltime is nearly over", std::max(policy_.deadline - now_, 0.0)});
}

void Coordinator::take_back_late() {
  if (run_ != RunState::stopping || now_ < take_back_at_) return;
  take_back_at_ = std::numeric_limits<Seconds>::infinity();
  for (const auto& [shard, leases] : leases_) {
    for (const Lease& lease : leases) actions_.push_back(Revoke{lease.rank, shard, lease.attempt});
  }
}

void Coordinator::handle(const RunFailed& event) { end(event.outcome, event.message, event.storage); }

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

void Coordinator::end(ExitCode outcome, const std::string& message, bool storage) {
  const bool all_well = outcome == ExitCode::done || outcome == ExitCode::quarantined || outcome == ExitCode::preempted;
  run_ = next(run_, all_well ? RunStep::settle : RunStep::fail);
  record(Ended{outcome, now_ - started_, message, storage});
  actions_.push_back(Finish{outcome, message});
}

void Coordinator::record(Entry entry) {
  ledger_.apply(entry);
  actions_.push_back(Record{std::move(entry)});
}

}  // namespace shardmill::coordinator
