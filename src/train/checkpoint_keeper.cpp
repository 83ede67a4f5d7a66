#include "train/checkpoint_keeper.hpp"

#include <chrono>
#include <utility>

#include "job/clock.hpp"
#include "store/checkpoint_folder.hpp"

namespace shardmill::train {

CheckpointKeeper::CheckpointKeeper(store::Disk& disk, std::filesystem::path folder, std::int64_t keep,
                                   std::function<void(const Saved&)> on_saved)
    : disk_(disk), folder_(std::move(folder)), keep_(keep), on_saved_(std::move(on_saved)) {
  disk_.make_folders(folder_);
  disk_.sync_folder(folder_.parent_path());
  store::remove_leftovers(disk_, folder_);
  writer_ = std::thread([this] { write_all(); });
}

CheckpointKeeper::~CheckpointKeeper() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  writer_.join();
}

bool CheckpointKeeper::busy() const {
  const std::lock_guard lock(mutex_);
  return pending_.has_value();
}

void CheckpointKeeper::await(std::unique_lock<std::mutex>& lock) {
  changed_.wait(lock, [this] { return !pending_; });
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void CheckpointKeeper::submit(Snapshot snapshot) {
  {
    std::unique_lock lock(mutex_);
    await(lock);
    pending_ = std::move(snapshot);
  }
  changed_.notify_all();
}

void CheckpointKeeper::wait() {
  std::unique_lock lock(mutex_);
  await(lock);
}

void CheckpointKeeper::prune(const std::string& newest, const std::optional<std::string>& best) {
  store::prune_checkpoints(disk_, folder_, keep_, newest, best);
}

void CheckpointKeeper::write_all() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return pending_ || stop_; });
    if (!pending_) return;
    lock.unlock();  // pending_ is this thread's alone as long as it is set
    std::exception_ptr error;
    try {
      on_saved_(write(*pending_));
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    pending_.reset();
    error_ = error;
    changed_.notify_all();
  }
}

Saved CheckpointKeeper::write(const Snapshot& snapshot) {
  const auto began = std::chrono::steady_clock::now();
  Saved saved;
  saved.name = store::checkpoint_name(snapshot.step);
  saved.step = snapshot.step;
  saved.position = snapshot.position;
  saved.is_best = snapshot.is_best;
  saved.is_final = snapshot.is_final;
  const store::CheckpointInfo info =
      store::write_checkpoint(disk_, folder_ / saved.name, {snapshot.meta, snapshot.tensors});
  saved.checksum = info.checksum;
  saved.bytes = info.bytes;
  saved.seconds = seconds_since(began);
  return saved;
}

}  // namespace shardmill::train
