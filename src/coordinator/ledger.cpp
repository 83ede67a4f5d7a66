#include "coordinator/ledger.hpp"

#include <algorithm>
#include <utility>

#include "job/error.hpp"

namespace shardmill::coordinator {

double Figures::utilization() const {
  return tasks_submitted == 0 ? 1.0 : static_cast<double>(tasks_completed) / static_cast<double>(tasks_submitted);
}

double Figures::load() const { return elapsed > 0 ? static_cast<double>(records_done) / elapsed : 0.0; }

double Figures::fault_tolerance() const {
  return faults == 0 ? 1.0 : static_cast<double>(faults_recovered) / static_cast<double>(faults);
}

void merge_bad_rows(std::vector<BadRow>& into, const std::vector<BadRow>& more) {
  for (const BadRow& row : more) {
    const auto place = std::lower_bound(into.begin(), into.end(), row.row,
                                        [](const BadRow& have, std::int64_t value) { return have.row < value; });
    if (place == into.end() || place->row != row.row) into.insert(place, row);
  }
}

Ledger::Ledger(Plan plan, std::int64_t batch_size) : plan_(plan), batch_size_(std::max<std::int64_t>(batch_size, 1)) {}

void Ledger::apply(const Entry& entry) {
  std::visit([this](const auto& e) { on(e); }, entry);
}

const Trouble* Ledger::trouble(ShardId shard) const {
  const auto found = troubles_.find(shard);
  return found == troubles_.end() ? nullptr : &found->second;
}

void Ledger::check_shard(ShardId shard) const {
  if (shard < plan_.begin() || shard >= plan_.end()) {
    throw StoreError("the journal names shard " + std::to_string(shard) + ", but the plan has shards " +
                     std::to_string(plan_.begin()) + " to " + std::to_string(plan_.end() - 1) +
                     "; it belongs to another job");
  }
}

void Ledger::open_fault(Fault fault) {
  commit_recovers_ = commit_recovers_ || fault.needs_commit;
  faults_.push_back(std::move(fault));
}

template <typename Which>
void Ledger::end_begun(ShardId shard, const Which& which) {
  const auto found = begun_in_.find(shard);
  if (found == begun_in_.end()) return;
  std::erase_if(found->second, [&](Rank rank) { return which(begun_.at(rank)) && begun_.erase(rank) > 0; });
  if (found->second.empty()) begun_in_.erase(found);
}

void Ledger::on(const Opened& entry) {
  if (!(entry.plan == plan_)) {
    throw StoreError("the journal was written for " + std::to_string(entry.plan.records) + " records in shards of " +
                     std::to_string(entry.plan.shard_size) + " (part " + to_text(entry.plan.part) +
                     "), but the job now plans " + std::to_string(plan_.records) + " in shards of " +
                     std::to_string(plan_.shard_size) + " (part " + to_text(plan_.part) + ")");
  }
}

void Ledger::on(const Started& entry) {
  if (incarnations_ > 0 && !ended_) {
    ++faults_total_;
    if (!all_done()) open_fault({-1, {}, true});
    for (auto& [shard, trouble] : troubles_) trouble.unclear = false;  // who is suspected now follows
  }
  for (Fault& fault : faults_) fault.rank = -1;  // a rank of that number is another one from now on
  rank_gone_ = false;
  cut_off_told_ = incarnations_ > 0 && !ended_ && !all_done();
  elapsed_before_ += last_elapsed_;
  rank_seconds_before_ += last_elapsed_ * ranks_;
  last_elapsed_ = 0;
  ranks_ = entry.ranks;
  slots_ = entry.slots;
  started_unix_ = entry.unix_seconds;
  incarnations_ = std::max(entry.incarnation, incarnations_ + 1);
  ended_.reset();
}

void Ledger::on(const Committed& entry) {
  check_shard(entry.shard);
  if (done_.contains(entry.shard)) return;
  last_elapsed_ = std::max(last_elapsed_, entry.elapsed);
  cut_off_told_ = false;
  ++advances_;
  done_.insert(entry.shard);
  const bool troubled = troubles_.erase(entry.shard) > 0;
  end_begun(entry.shard, [](const Begun&) { return true; });
  records_done_ += plan_.count(entry.shard);
  quarantined_ += static_cast<std::int64_t>(entry.bad.size());
  busy_ += entry.seconds;
  if (!troubled && !std::exchange(commit_recovers_, false)) return;
  for (Fault& fault : faults_) {
    fault.open.erase(entry.shard);
    fault.needs_commit = false;
  }
  std::erase_if(faults_, [](const Fault& fault) { return fault.recovered(); });
}

void Ledger::on(const Advanced& entry) {
  check_shard(entry.shard);
  if (done_.contains(entry.shard)) return;
  ++advances_;
  Trouble& trouble = troubles_[entry.shard];
  end_begun(entry.shard, [&entry](const Begun& begun) { return begun.row < entry.durable; });
  trouble.durable = std::clamp(entry.durable, trouble.durable, plan_.count(entry.shard));
  merge_bad_rows(trouble.bad, entry.bad);
}

void Ledger::on(const AttemptLost& entry) {
  check_shard(entry.shard);
  if (done_.contains(entry.shard)) return;
  ++attempts_lost_;
  ++suspicions_;
  end_begun(entry.shard, [&entry](const Begun& begun) { return entry.rank == every_rank || entry.rank == begun.rank; });
  Trouble& trouble = troubles_[entry.shard];
  ++trouble.attempts;
  if (entry.at >= 0) {
    const bool same_batch = trouble.at >= 0 && trouble.at / batch_size_ == entry.at / batch_size_;
    trouble.strikes = same_batch ? trouble.strikes + 1 : 1;
    trouble.at = entry.at;
  }
  trouble.last_reason = entry.reason;
  if (entry.skip) trouble.skip.push_back({entry.at, entry.reason});

  // Losses that follow the loss of their rank, or of all ranks, are one fault with it.
  const bool of_a_rank = entry.rank >= 0 && !faults_.empty() && faults_.back().rank == entry.rank;
  if (of_a_rank || (entry.rank == every_rank && cut_off_told_ && !faults_.empty())) {
    faults_.back().open.insert(entry.shard);
    faults_.back().needs_commit = false;
  } else {
    ++faults_total_;
    open_fault({-1, {entry.shard}, false});
  }
}

void Ledger::on(const Begun& entry) {
  check_shard(entry.shard);
  if (const auto before = begun_.find(entry.rank); before != begun_.end()) {
    end_begun(before->second.shard, [&entry](const Begun& begun) { return begun.rank == entry.rank; });
  }
  if (entry.row < 0 || done_.contains(entry.shard)) return;
  ++suspicions_;
  begun_[entry.rank] = entry;
  begun_in_[entry.shard].insert(entry.rank);
}

void Ledger::on(const Suspected& entry) {
  check_shard(entry.shard);
  end_begun(entry.shard, [](const Begun&) { return true; });
  if (done_.contains(entry.shard)) return;
  ++suspicions_;
  troubles_[entry.shard].unclear = true;
}

void Ledger::on(const RankGone& entry) {
  cut_off_told_ = false;
  rank_gone_ = true;
  ++faults_total_;
  last_elapsed_ = std::max(last_elapsed_, entry.elapsed);
  // Held open until its losses or the next commit are known; a rank that held nothing is recovered from by going on.
  if (!all_done()) open_fault({entry.rank, {}, true});
}

void Ledger::on(const Ended& entry) {
  last_elapsed_ = entry.elapsed;
  begun_.clear();
  begun_in_.clear();
  ended_ = entry;
  if (entry.storage) {
    ++faults_total_;
    open_fault({-1, {}, true});
  }
  if (all_done()) faults_.clear();
}

// How the parts ended is not how the whole does.
void Ledger::on(const Gathered& entry) {
  gathered_ = entry;
  ended_.reset();
}

Figures Ledger::figures(Seconds elapsed) const {
  const Seconds here = std::max(elapsed, last_elapsed_);
  Figures figures;
  figures.tasks_submitted = plan_.shards();
  figures.tasks_completed = done_.size();
  figures.records = plan_.own_records();
  figures.records_done = records_done_;
  figures.records_quarantined = quarantined_;
  figures.faults = faults_total_;
  figures.faults_recovered = faults_total_ - static_cast<std::int64_t>(faults_.size());
  figures.attempts_lost = attempts_lost_;
  figures.incarnations = incarnations_;
  figures.ranks = gathered_ ? gathered_->ranks : ranks_;
  figures.ranks_alive = figures.ranks;
  figures.elapsed = gathered_ ? gathered_->elapsed : elapsed_before_ + here;
  figures.busy = busy_;
  figures.rank_seconds = rank_seconds_before_ + here * ranks_;
  return figures;
}

}  // namespace shardmill::coordinator
