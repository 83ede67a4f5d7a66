#include "simulation/rank.hpp"

#include <algorithm>
#include <utility>

#include "simulation/world.hpp"

namespace shardmill::simulation {

using namespace coordinator;

SimulatedRank::SimulatedRank(World& world, Rank number, double seconds_per_row)
    : world_(world), number_(number), seconds_per_row_(seconds_per_row), slots_(world.scenario().slots) {}

void SimulatedRank::after(Seconds delay, std::function<void()> what) {
  world_.after(delay, [self = shared_from_this(), what = std::move(what)] { self->run_unless_hung(what); });
}

void SimulatedRank::run_unless_hung(std::function<void()> what) {
  if (!alive_) return;
  if (world_.now() < hung_until_) {
    world_.at(hung_until_, [self = shared_from_this(), what = std::move(what)] { self->run_unless_hung(what); });
  } else {
    what();
  }
}

void SimulatedRank::begin() {
  heartbeat();
  after(world_.random().between(0.0, 3.0), [this] { world_.send(*this, RankReady{number_, slots_}); });
}

void SimulatedRank::heartbeat() {
  world_.send(*this, Heartbeat{number_});
  after(world_.scenario().policy.rank_timeout / 4, [this] { heartbeat(); });
}

void SimulatedRank::take(const Grant& grant) {
  run_unless_hung([this, grant] {
    careful_leases_ += grant.careful ? 1 : 0;
    leases_.push_back(std::make_shared<Work>(Work{grant, grant.first_row, 0, {}, false}));
    next_lease();
  });
}

void SimulatedRank::revoke(const Revoke& revoke) {
  run_unless_hung([this, revoke] {
    auto hit = [&revoke](const WorkPtr& work) {
      if (work && work->grant.shard == revoke.shard && work->grant.attempt == revoke.attempt) work->revoked = true;
    };
    hit(current_);
    std::for_each(leases_.begin(), leases_.end(), hit);
    wake();
  });
}

void SimulatedRank::proceed(const Proceed& proceed) {
  run_unless_hung([this, proceed] {
    if (!current_ || current_->grant.shard != proceed.shard || current_->grant.attempt != proceed.attempt) return;
    if (!std::exchange(current_->asked, false)) return;
    if (current_->revoked) {
      next_batch();
    } else {
      begin_batch();
    }
  });
}

// What waits for the word is revoked, perhaps.
void SimulatedRank::wake() {
  if (current_ && current_->revoked && std::exchange(current_->asked, false)) next_batch();
}

void SimulatedRank::meet_new_coordinator() {
  run_unless_hung([this] {
    for (const WorkPtr& work : leases_) work->revoked = true;
    if (current_) current_->revoked = true;
    wake();
    if (!paused_) world_.send(*this, RankReady{number_, slots_});
  });
}

void SimulatedRank::die() {
  if (!std::exchange(alive_, false)) return;
  faulty_ = true;
  world_.rank_died(*this);
}

void SimulatedRank::hang(Seconds seconds) {
  faulty_ = true;
  hung_until_ = std::max(hung_until_, world_.now() + seconds);
}

void SimulatedRank::pause(Seconds seconds) {
  run_unless_hung([this, seconds] {
    paused_ = true;
    world_.send(*this, RankReady{number_, 0});
    for (const WorkPtr& work : leases_) work->revoked = true;
    if (current_) current_->revoked = true;
    wake();
    after(seconds, [this] {
      paused_ = false;
      world_.send(*this, RankReady{number_, slots_});
    });
  });
}

// ---- The model ------------------------------------------------------------------------------------------------------

void SimulatedRank::next_lease() {
  if (current_ || leases_.empty()) return;
  current_ = leases_.front();
  leases_.pop_front();
  current_->since = world_.now();
  next_batch();
}

void SimulatedRank::leave_lease() {
  current_ = nullptr;
  next_lease();
  if (current_ || paused_ || slots_ >= world_.scenario().most_slots) return;
  slots_ = std::min(2 * slots_, world_.scenario().most_slots);  // it has run dry
  world_.send(*this, RankReady{number_, slots_});
}

void SimulatedRank::next_batch() {
  const WorkPtr work = current_;
  const Scenario& scenario = world_.scenario();
  const Grant& grant = work->grant;
  const std::int64_t count = scenario.plan.count(grant.shard);
  if (work->revoked || work->row == count) {
    sync({work, work->row, true});
    leave_lease();
    return;
  }
  if (std::exchange(fail_next_read_, false)) {
    world_.send(*this, ShardFailed{number_, grant.shard, grant.attempt, "cannot read"});
    careful_leases_ -= grant.careful ? 1 : 0;
    leave_lease();
    return;
  }
  if (grant.again) {
    work->asked = true;
    world_.send(*this, BatchAsked{number_, grant.shard, grant.attempt, work->row});
  } else {
    begin_batch();
  }
}

void SimulatedRank::begin_batch() {
  const WorkPtr work = current_;
  const Scenario& scenario = world_.scenario();
  const Grant& grant = work->grant;
  const std::int64_t count = scenario.plan.count(grant.shard);
  kept_quiet_ = grant.again || (!kept_quiet_ && world_.random().chance(0.5));
  if (!kept_quiet_) world_.send(*this, Progressed{number_, grant.shard, grant.attempt, 0, work->row, {}});
  const std::int64_t batch = scenario.policy.batch_size;
  const bool singly = grant.careful && work->row / batch == grant.first_row / batch;
  const std::int64_t last = std::min(singly ? work->row + 1 : (work->row / batch + 1) * batch, count);
  const double seconds = seconds_per_row_ * static_cast<double>(last - work->row);
  after(seconds * world_.random().between(0.7, 1.0), [this, work, last] { compute(work, last); });
}

void SimulatedRank::compute(const WorkPtr& work, std::int64_t last) {
  const Scenario& scenario = world_.scenario();
  const Grant& grant = work->grant;
  const std::int64_t first_record = scenario.plan.first(grant.shard);
  std::vector<BadRow> bad;
  for (std::int64_t row = work->row; row < last; ++row) {
    const auto skip =
        std::find_if(grant.skip.begin(), grant.skip.end(), [row](const BadRow& have) { return have.row == row; });
    const auto poison = scenario.poison.find(first_record + row);
    if (skip != grant.skip.end()) {
      bad.push_back(*skip);
    } else if (poison == scenario.poison.end()) {
      continue;
    } else if (poison->second == Poison::throws) {
      bad.push_back({row, "the model threw"});
    } else if (poison->second == Poison::crashes) {
      die();
      return;
    } else {
      faulty_ = true;
      return;  // and never comes back, though the rank still says that it lives
    }
  }
  for (std::int64_t row = work->row; row < last; ++row) {
    const bool is_bad = std::any_of(bad.begin(), bad.end(), [row](const BadRow& have) { return have.row == row; });
    world_.write(first_record + row, is_bad ? Content::quarantined : Content::computed);
  }
  work->bad.insert(work->bad.end(), bad.begin(), bad.end());
  work->row = last;
  if (grant.again || world_.random().chance(0.5)) sync({work, last, false});
  next_batch();
}

// ---- The disk
// ---------------------------------------------------------------------------------------------------------

void SimulatedRank::sync(Sync sync) {
  to_sync_.push_back(std::move(sync));
  if (!syncing_) start_syncs();
}

// One sync for all that has come meanwhile.
void SimulatedRank::start_syncs() {
  if (to_sync_.empty()) return;
  syncing_ = true;
  after(world_.random().between(0.0, world_.scenario().sync_seconds), [this, syncs = std::exchange(to_sync_, {})] {
    for (const Sync& sync : syncs) synced(sync);
    syncing_ = false;
    start_syncs();
  });
}

void SimulatedRank::synced(const Sync& sync) {
  const Grant& grant = sync.work->grant;
  const std::int64_t first_record = world_.scenario().plan.first(grant.shard);
  world_.storage().sync(first_record + grant.first_row, first_record + sync.rows);
  std::vector<BadRow> bad;
  for (const BadRow& row : sync.work->bad) {
    if (row.row < sync.rows) bad.push_back(row);
  }
  if (sync.last && grant.careful) --careful_leases_;
  if (sync.last && sync.rows == world_.scenario().plan.count(grant.shard)) {
    const Seconds seconds = world_.now() - sync.work->since;
    world_.send(*this, ShardFinished{number_, grant.shard, grant.attempt, 0, seconds, std::move(bad)});
    return;
  }
  if (sync.rows > grant.first_row) {
    world_.send(*this, Progressed{number_, grant.shard, grant.attempt, sync.rows, sync.rows, std::move(bad)});
  }
  if (sync.last) world_.send(*this, ShardReturned{number_, grant.shard, grant.attempt});
}

}  // namespace shardmill::simulation
