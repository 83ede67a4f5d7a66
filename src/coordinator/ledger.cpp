#include "coordinator/ledger.hpp"

#include <algorithm>

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
  if (shard < 0 || shard >= plan_.shards()) {
    throw StoreError("the journal names shard " + std::to_string(shard) + ", but the plan has " +
                     std::to_string(plan_.shards()) + " shards; it belongs to another job");
  }
}

void Ledger::on(const Opened& entry) {
  if (!(entry.plan == plan_)) {
    throw StoreError("the journal was written for " + std::to_string(entry.plan.records) + " records in shards of " +
                     std::to_string(entry.plan.shard_size) + ", but the job now plans " +
                     std::to_string(plan_.records) + " in shards of " + std::to_string(plan_.shard_size));
  }
}

void Ledger::on(const Started& entry) {
  if (incarnations_ > 0 && !ended_) {
    ++faults_total_;
    if (!all_done()) faults_.push_back(Fault{-1, {}, true});
  }
  for (Fault& fault : faults_) fault.rank = -1;  // a rank of that number is another one from now on
  elapsed_before_ += last_elapsed_;
  rank_seconds_before_ += last_elapsed_ * ranks_;
  last_elapsed_ = 0;
  ranks_ = entry.ranks;
  started_unix_ = entry.unix_seconds;
  incarnations_ = std::max(entry.incarnation, incarnations_ + 1);
  ended_.reset();
}

void Ledger::on(const Committed& entry) {
  check_shard(entry.shard);
  if (done_.contains(entry.shard)) return;
  last_elapsed_ = std::max(last_elapsed_, entry.elapsed);
  done_.insert(entry.shard);
  troubles_.erase(entry.shard);
  records_done_ += plan_.count(entry.shard);
  quarantined_ += static_cast<std::int64_t>(entry.bad.size());
  busy_ += entry.seconds;
  for (Fault& fault : faults_) {
    fault.open.erase(entry.shard);
    fault.needs_commit = false;
  }
  std::erase_if(faults_, [](const Fault& fault) { return fault.recovered(); });
}

void Ledger::on(const Advanced& entry) {
  check_shard(entry.shard);
  if (done_.contains(entry.shard)) return;
  Trouble& trouble = troubles_[entry.shard];
  trouble.durable = std::clamp(entry.durable, trouble.durable, plan_.count(entry.shard));
  merge_bad_rows(trouble.bad, entry.bad);
}

void Ledger::on(const AttemptLost& entry) {
  check_shard(entry.shard);
  if (done_.contains(entry.shard)) return;
  ++attempts_lost_;
  Trouble& trouble = troubles_[entry.shard];
  ++trouble.attempts;
  if (entry.at >= 0) {
    const bool same_batch = trouble.at >= 0 && trouble.at / batch_size_ == entry.at / batch_size_;
    trouble.strikes = same_batch ? trouble.strikes + 1 : 1;
    trouble.at = entry.at;
  }
  trouble.last_reason = entry.reason;
  if (entry.skip) trouble.skip.push_back({entry.at, entry.reason});

  // Losses that follow the loss of their rank are one fault with it.
  if (!faults_.empty() && entry.rank >= 0 && faults_.back().rank == entry.rank) {
    faults_.back().open.insert(entry.shard);
    faults_.back().needs_commit = false;
  } else {
    ++faults_total_;
    faults_.push_back(Fault{-1, {entry.shard}, false});
  }
}

void Ledger::on(const RankGone& entry) {
  ++faults_total_;
  last_elapsed_ = std::max(last_elapsed_, entry.elapsed);
  // Held open until its losses or the next commit are known; a rank that held nothing is recovered from by going on.
  if (!all_done()) faults_.push_back(Fault{entry.rank, {}, true});
}

void Ledger::on(const Ended& entry) {
  last_elapsed_ = entry.elapsed;
  ended_ = entry;
  if (all_done()) faults_.clear();
}

Figures Ledger::figures(Seconds elapsed) const {
  const Seconds here = std::max(elapsed, last_elapsed_);
  Figures figures;
  figures.tasks_submitted = plan_.shards();
  figures.tasks_completed = done_.size();
  figures.records = plan_.records;
  figures.records_done = records_done_;
  figures.records_quarantined = quarantined_;
  figures.faults = faults_total_;
  figures.faults_recovered = faults_total_ - static_cast<std::int64_t>(faults_.size());
  figures.attempts_lost = attempts_lost_;
  figures.incarnations = incarnations_;
  figures.ranks = ranks_;
  figures.ranks_alive = ranks_;
  figures.elapsed = elapsed_before_ + here;
  figures.busy = busy_;
  figures.rank_seconds = rank_seconds_before_ + here * ranks_;
  return figures;
}

}  // namespace shardmill::coordinator
