// A rank of the fake world: it works on its leases in order, batch by batch, with a disk that lags behind the model.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "coordinator/types.hpp"

namespace shardmill::simulation {

class World;

class SimulatedRank : public std::enable_shared_from_this<SimulatedRank> {
 public:
  SimulatedRank(World& world, coordinator::Rank number, double seconds_per_row);

  void begin();
  void take(const coordinator::Grant& grant);
  void proceed(const coordinator::Proceed& proceed);
  void revoke(const coordinator::Revoke& revoke);
  // Another coordinator has taken over: what the old one leased is worth nothing.
  void meet_new_coordinator();

  void die();
  void hang(coordinator::Seconds seconds);
  // Gives back what it holds, and wants nothing for a while.
  void pause(coordinator::Seconds seconds);
  void fail_next_read() { fail_next_read_ = true; }

  coordinator::Rank number() const { return number_; }
  bool alive() const { return alive_; }
  // On one record alone, or about to be: if it dies now, that record is blamed.
  bool careful() const { return careful_leases_ > 0; }
  // It may rightly be taken for dead.
  bool was_faulty() const { return faulty_; }

 private:
  struct Work {
    coordinator::Grant grant;
    std::int64_t row = 0;  // the next one
    coordinator::Seconds since = 0;
    std::vector<coordinator::BadRow> bad;
    bool revoked = false;
    bool asked = false;  // and waits for the word
  };
  using WorkPtr = std::shared_ptr<Work>;
  // What is to be said of a lease once its rows are durable.
  struct Sync {
    WorkPtr work;
    std::int64_t rows = 0;
    bool last = false;
  };

  void after(coordinator::Seconds delay, std::function<void()> what);
  void run_unless_hung(std::function<void()> what);
  void heartbeat();
  void next_lease();
  void next_batch();
  void wake();
  void begin_batch();
  void leave_lease();
  void compute(const WorkPtr& work, std::int64_t last);
  void sync(Sync sync);
  void start_syncs();
  void synced(const Sync& sync);

  World& world_;
  coordinator::Rank number_;
  double seconds_per_row_;
  int slots_;
  bool alive_ = true;
  bool paused_ = false;  // wants nothing
  bool faulty_ = false;
  bool fail_next_read_ = false;
  int careful_leases_ = 0;
  bool kept_quiet_ = false;  // about the last batch
  coordinator::Seconds hung_until_ = 0;
  std::deque<WorkPtr> leases_;
  WorkPtr current_;  // in the model
  std::vector<Sync> to_sync_;
  bool syncing_ = false;
};

}  // namespace shardmill::simulation
