// What the pipeline's threads have to say, on its way to the thread that does MPI.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

#include "comm/messages.hpp"
#include "store/results.hpp"

namespace shardmill::infer {

// The model is loaded, and a batch of zeros has shown what its outputs look like.
struct ModelReady {
  std::vector<store::OutputLayout> outputs;
  std::string device;
};

class Outbox {
 public:
  using Item = std::variant<comm::Message, ModelReady>;

  void post(Item item) {
    const std::lock_guard lock(mutex_);
    items_.push_back(std::move(item));
    ++posted_;
    changed_.notify_all();
  }
  // Returns once the item has been taken and sent, so that it is on its way even if this process dies right after.
  void post_and_wait(Item item) {
    std::unique_lock lock(mutex_);
    items_.push_back(std::move(item));
    const std::uint64_t mine = ++posted_;
    changed_.notify_all();
    sent_changed_.wait(lock, [&] { return closed_ || sent_ >= mine; });
  }
  // For the MPI thread: waits until there is something or `wait` is over, and takes all.
  std::deque<Item> take(std::chrono::microseconds wait) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, wait, [this] { return !items_.empty(); });
    return std::exchange(items_, {});
  }
  void sent(std::size_t count) {
    const std::lock_guard lock(mutex_);
    sent_ += count;
    sent_changed_.notify_all();
  }
  // Nobody takes any more: those who wait go on.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    sent_changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable sent_changed_;
  std::deque<Item> items_;
  std::uint64_t posted_ = 0;
  std::uint64_t sent_ = 0;
  bool closed_ = false;
};

}  // namespace shardmill::infer
