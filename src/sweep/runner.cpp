#include "sweep/runner.hpp"

#include <algorithm>
#include <utility>

#include "job/clock.hpp"
#include "job/crash_point.hpp"
#include "job/error.hpp"
#include "report/log.hpp"
#include "store/checksum.hpp"
#include "sweep/places.hpp"
#include "sweep/result.hpp"

namespace shardmill::sweep {
namespace {

constexpr double between_signs = 0.5;  // seconds

}  // namespace

Runner::Runner(const job::Job& job, int local_rank) : job_(job), local_rank_(local_rank) {
  thread_ = std::thread([this] { work(); });
}

Runner::~Runner() {
  {
    const std::lock_guard lock(mutex_);
    end_ = true;
    for (const auto& held : held_) stop(*held);
  }
  for_runner_.notify_all();
  thread_.join();
}

void Runner::open(const store::RunFolder& run) {
  const std::lock_guard lock(mutex_);
  run_ = run;
}

void Runner::add(const comm::Lease& lease) {
  report::log_info("lease: trial " + job::trial_name(lease.shard) + " attempt " + std::to_string(lease.attempt));
  const std::lock_guard lock(mutex_);
  auto held = std::make_unique<Held>();
  held->lease = lease;
  held->row = lease.first_row;
  held->may_begin = lease.again == 0 || !lease.skip.empty();
  if (!held->may_begin) messages_.emplace_back(comm::Asked{lease.shard, lease.attempt, held->row});
  held_.push_back(std::move(held));
  for_runner_.notify_all();
}

void Runner::proceed(std::int64_t trial, std::int64_t attempt) {
  const std::lock_guard lock(mutex_);
  for (const auto& held : held_) {
    if (held->lease.shard == trial && held->lease.attempt == attempt) held->may_begin = true;
  }
  for_runner_.notify_all();
}

void Runner::stop(Held& held) {
  held.revoked = true;
  if (held.solo) held.solo->stop();
}

void Runner::revoke(std::int64_t trial, std::int64_t attempt) {
  const std::lock_guard lock(mutex_);
  for (const auto& held : held_) {
    if (held->lease.shard == trial && held->lease.attempt == attempt) stop(*held);
  }
  for_runner_.notify_all();
}

void Runner::revoke_all() {
  const std::lock_guard lock(mutex_);
  messages_.clear();
  for (const auto& held : held_) {
    held->silent = true;
    stop(*held);
  }
  for_runner_.notify_all();
}

std::deque<comm::Message> Runner::take(std::chrono::microseconds wait) {
  std::unique_lock lock(mutex_);
  note_progress();
  for_clerk_.wait_for(lock, wait, [this] { return !messages_.empty(); });
  return std::exchange(messages_, {});
}

bool Runner::is_idle() const {
  const std::lock_guard lock(mutex_);
  return held_.empty();
}

// The coordinator takes a rank for dead whose trial does not move.
void Runner::note_progress() {
  const std::chrono::duration<double> pause(std::min(between_signs, job_.fault_tolerance.shard_timeout / 5));
  if (held_.empty() || !held_.front()->solo || Clock::now() - said_ < pause) return;
  Held& held = *held_.front();
  said_ = Clock::now();
  if (std::exchange(held.progressed, held.solo->progressed()) == held.solo->progressed()) return;
  say(held, comm::Progress{held.lease.shard, held.lease.attempt, held.row, held.row, {}});
}

void Runner::say(const Held& held, comm::Message message) {
  if (held.silent) return;
  messages_.push_back(std::move(message));
  for_clerk_.notify_all();
}

// ---- The runner's thread --------------------------------------------------------------------------------------------

void Runner::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    for_runner_.wait(
        lock, [this] { return end_ || (!held_.empty() && (held_.front()->may_begin || held_.front()->revoked)); });
    if (held_.empty()) return;  // the end
    Held& held = *held_.front();
    if (held.revoked) {
      say(held, comm::Returned{held.lease.shard, held.lease.attempt});
    } else if (!held.lease.skip.empty()) {
      say(held, comm::Finished{held.lease.shard, held.lease.attempt, 0, 0, held.lease.skip});
    } else {
      const auto& trial = job_.sweep.trials.at(static_cast<std::size_t>(held.lease.shard));
      held.solo = std::make_unique<train::Solo>(
          *trial.job, trial_folder(run_, held.lease.shard), local_rank_,
          [this, &held](std::int64_t step, std::int64_t steps) { saved(held, step, steps); });
      lock.unlock();
      comm::Message message = outcome(held);
      lock.lock();
      auto solo = std::move(held.solo);
      lock.unlock();
      solo.reset();  // its last checkpoint may still be on its way, and it has the trial's folder as long
      lock.lock();
      say(held, std::move(message));
    }
    held_.pop_front();
  }
}

// Trains, and says what came of it.
comm::Message Runner::outcome(Held& held) {
  const std::int64_t trial = held.lease.shard;
  const std::int64_t attempt = held.lease.attempt;
  const auto began = Clock::now();
  try {
    crash_point("after-lease");
    const auto result = held.solo->run();
    if (!result) return comm::Returned{trial, attempt};
    const std::string text = to_json(*result);
    store::write_file(store::posix_disk(), result_file(run_, trial), text);
    const double seconds = seconds_since(began);
    return comm::Finished{trial, attempt, store::checksum(text), seconds, {}};
  } catch (const StoreError& error) {
    return comm::GiveUp{error.what(), to_int(error.exit_code()), 1};
  } catch (const ModelError& error) {
    // It would come to the same on any rank: set aside, and the others go on.
    const double seconds = seconds_since(began);
    return comm::Finished{trial, attempt, 0, seconds, {{0, error.what()}}};
  } catch (const std::exception& error) {
    return comm::Failed{trial, attempt, error.what()};
  }
}

// In the thread that writes checkpoints.
void Runner::saved(Held& held, std::int64_t step, std::int64_t steps) {
  const std::lock_guard lock(mutex_);
  // All of its rows are durable only when the result is.
  const std::int64_t row = std::min(step * rows_of_a_trial / std::max<std::int64_t>(steps, 1), rows_of_a_trial - 1);
  if (row <= held.row) return;
  held.row = row;
  say(held, comm::Progress{held.lease.shard, held.lease.attempt, row, row, {}});
  if (held.lease.again != 0) say(held, comm::Asked{held.lease.shard, held.lease.attempt, row});
}

}  // namespace shardmill::sweep
