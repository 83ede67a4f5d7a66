// What must hold in every run, whatever happens in it. Told of each thing that leaves the coordinator for good.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "simulation/scenario.hpp"
#include "simulation/storage.hpp"

namespace shardmill::simulation {

class Watch {
 public:
  Watch(const Scenario& scenario, const Storage& storage) : scenario_(scenario), storage_(storage) {}

  void durable(const coordinator::Entry& entry);  // in the journal
  void granted(const coordinator::Grant& grant);
  void revoked(const coordinator::Revoke& revoke) { drop(revoke.rank, revoke.shard, revoke.attempt); }
  void returned(const coordinator::ShardReturned& event) { drop(event.rank, event.shard, event.attempt); }
  void new_incarnation() { leases_.clear(); }
  void figures(const coordinator::Figures& figures);
  // All is done: every record is where it belongs, and the figures add up.
  void finished(const coordinator::Figures& figures);

  void violation(const std::string& what);
  const std::vector<std::string>& violations() const { return violations_; }

 private:
  struct Lease {
    coordinator::Rank rank = 0;
    coordinator::Attempt attempt = 0;
  };
  void drop(coordinator::Rank rank, coordinator::ShardId shard, coordinator::Attempt attempt);
  void drop_all_of(coordinator::Rank rank);
  void committed(const coordinator::Committed& entry);

  const Scenario& scenario_;
  const Storage& storage_;
  std::set<coordinator::ShardId> committed_;
  std::set<std::int64_t> quarantined_;  // records
  std::map<coordinator::ShardId, std::vector<Lease>> leases_;
  std::vector<std::string> violations_;
};

}  // namespace shardmill::simulation
