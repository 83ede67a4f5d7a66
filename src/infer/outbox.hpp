// What the pipeline's threads have to say, on its way to the thread that does MPI.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <iterator>
#include <mutex>
#include <string>
#include <utility>
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

// The model has computed all leases that the rank holds, `computed` since it began.
struct RanDry {
  std::int64_t computed = 0;
};

// From the feeder: for a rank that is fed.
struct Answer {
  int rank = 0;
  comm::Served served;
};

class Outbox {
 public:
  using Item = std::variant<comm::Message, ModelReady, RanDry, Answer>;

  void post(Item item) {
    const std::lock_guard lock(mutex_);
    items_.push_back(std::move(item));
    changed_.notify_all();
  }
  // In order, and taken together.
  void post(std::vector<Item> items) {
    const std::lock_guard lock(mutex_);
    std::move(items.begin(), items.end(), std::back_inserter(items_));
    changed_.notify_all();
  }
  // For the MPI thread: waits until there is something or `wait` is over, and takes all.
  std::deque<Item> take(std::chrono::microseconds wait) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, wait, [this] { return !items_.empty(); });
    return std::exchange(items_, {});
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> items_;
};

}  // namespace shardmill::infer
