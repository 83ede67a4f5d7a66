#include "simulation/watch.hpp"

#include <algorithm>

namespace shardmill::simulation {

using namespace coordinator;

void Watch::violation(const std::string& what) {
  if (violations_.size() < 10) violations_.push_back(what);
}

void Watch::drop(Rank rank, ShardId shard, Attempt attempt) {
  const auto found = leases_.find(shard);
  if (found == leases_.end()) return;
  std::erase_if(found->second, [=](const Lease& l) { return l.rank == rank && (attempt < 0 || l.attempt == attempt); });
  if (found->second.empty()) leases_.erase(found);
}

void Watch::drop_all_of(Rank rank) {
  for (auto& [shard, leases] : leases_) std::erase_if(leases, [rank](const Lease& l) { return l.rank == rank; });
  std::erase_if(leases_, [](const auto& entry) { return entry.second.empty(); });
}

void Watch::committed(const Committed& entry) {
  const std::string shard = "shard " + std::to_string(entry.shard);
  if (!committed_.insert(entry.shard).second) violation(shard + " is committed twice");
  leases_.erase(entry.shard);
  const std::int64_t first = scenario_.plan.first(entry.shard);
  const std::int64_t last = first + scenario_.plan.count(entry.shard);
  if (!storage_.is_durable(first, last)) violation(shard + " is committed but not all of it is durable");
  for (const BadRow& bad : entry.bad) {
    if (!scenario_.poison.contains(first + bad.row)) {
      violation("record " + std::to_string(first + bad.row) + " is innocent and in quarantine: " + bad.message);
    }
    if (!quarantined_.insert(first + bad.row).second) violation(shard + " has a record twice in quarantine");
  }
}

void Watch::durable(const Entry& entry) {
  if (const auto* e = std::get_if<Committed>(&entry)) committed(*e);
  if (const auto* e = std::get_if<RankGone>(&entry)) drop_all_of(e->rank);
  if (const auto* e = std::get_if<AttemptLost>(&entry)) {
    drop(e->rank, e->shard, -1);
    const std::int64_t record = scenario_.plan.first(e->shard) + e->at;
    if (e->skip && !scenario_.poison.contains(record)) {
      violation("record " + std::to_string(record) + " is innocent and to be skipped");
    }
  }
}

void Watch::granted(const Grant& grant) {
  const std::string shard = "shard " + std::to_string(grant.shard);
  if (committed_.contains(grant.shard)) violation(shard + " is committed and granted again");
  const std::int64_t first = scenario_.plan.first(grant.shard);
  if (grant.first_row > scenario_.plan.count(grant.shard) || !storage_.is_durable(first, first + grant.first_row)) {
    violation(shard + " is to go on from row " + std::to_string(grant.first_row) + ", before which not all is durable");
  }
  std::vector<Lease>& leases = leases_[grant.shard];
  for (const Lease& lease : leases) {
    if (lease.rank == grant.rank) violation(shard + " is leased twice to one rank");
  }
  leases.push_back({grant.rank, grant.attempt});
  if (leases.size() > 2) violation(shard + " is leased more than twice");
  // Only a straggler is leased a second time: when there is nothing else left to lease.
  const auto out = static_cast<std::int64_t>(leases_.size() + committed_.size());
  if (leases.size() > 1 && out < scenario_.plan.shards()) violation(shard + " is leased twice while others wait");
}

void Watch::figures(const Figures& figures) {
  if (figures.faults_recovered > figures.faults) violation("more faults recovered than there were");
  if (figures.tasks_completed > figures.tasks_submitted) violation("more tasks completed than submitted");
  if (figures.records_done > figures.records) violation("more records done than there are");
}

void Watch::finished(const Figures& figures) {
  this->figures(figures);
  for (std::int64_t record = 0; record < scenario_.plan.records; ++record) {
    const Content wanted = scenario_.poison.contains(record) ? Content::quarantined : Content::computed;
    if (storage_.durable(record) == wanted) continue;
    violation("record " + std::to_string(record) + " is not what it should be at the end");
  }
  const auto poison = std::ssize(scenario_.poison);
  if (std::ssize(quarantined_) != poison) violation("the journal does not quarantine every poison record");
  if (figures.records_quarantined != poison) violation("records_quarantined is not the number of poison records");
  if (figures.tasks_completed != figures.tasks_submitted) violation("done, but tasks are missing");
  if (figures.records_done != figures.records) violation("done, but records are missing");
  if (figures.faults_recovered != figures.faults) violation("done, but faults are not recovered from");
  if (figures.utilization() != 1.0) violation("done, but utilization is not 1");
}

}  // namespace shardmill::simulation
