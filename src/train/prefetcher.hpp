// Batches made ahead of their use, by a thread of its own.
#pragma once

#include <algorithm>
#include <compare>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

namespace shardmill::train {

// One logical shard's part of one step.
struct BatchKey {
  std::int64_t step = 0;
  std::int64_t shard = 0;

  friend auto operator<=>(const BatchKey&, const BatchKey&) = default;
};

// One thread calls plan and take; `make` is called by the prefetcher's thread alone.
template <class Batch>
class Prefetcher {
 public:
  using Make = std::function<Batch(BatchKey)>;

  // Keeps up to `ahead` batches ready (at least one).
  Prefetcher(Make make, std::size_t ahead)
      : make_(std::move(make)),
        ahead_(std::max<std::size_t>(ahead, 1)),
        thread_([this](const std::stop_token& stop) { run(stop); }) {}
  // Waits for the batch that is being made.
  ~Prefetcher() {
    thread_.request_stop();
    thread_.join();
  }
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  // What is wanted from now on, in this order and each key once, instead of what was planned before. Batches that are
  // ready and still wanted are kept, others are dropped.
  void plan(const std::vector<BatchKey>& keys) {
    const std::lock_guard lock(mutex_);
    std::map<BatchKey, Made> kept;
    planned_.clear();
    for (const BatchKey key : keys) {
      if (const auto found = ready_.find(key); found != ready_.end()) {
        kept.insert(ready_.extract(found));
      } else if (key != making_ && !kept.contains(key)) {
        planned_.push_back(key);
      }
    }
    keep_making_ = making_ && std::find(keys.begin(), keys.end(), *making_) != keys.end();
    ready_ = std::move(kept);
    changed_.notify_all();
  }

  // The key's batch; waits until it is made. A key that is not planned, or not next, is made next. Rethrows what `make`
  // threw for it; the key can then be taken again, which makes it anew.
  Batch take(BatchKey key) {
    std::unique_lock lock(mutex_);
    if (!ready_.contains(key)) {
      if (key == making_) {
        keep_making_ = true;
      } else {
        std::erase(planned_, key);
        planned_.push_front(key);
      }
      awaited_ = key;
      changed_.notify_all();
      changed_.wait(lock, [&] { return ready_.contains(key); });
    }
    Made made = std::move(ready_.extract(key).mapped());
    changed_.notify_all();
    if (made.error) std::rethrow_exception(made.error);
    return std::move(*made.batch);
  }

 private:
  struct Made {
    std::optional<Batch> batch;
    std::exception_ptr error;
  };

  void run(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    // Someone who waits is not kept waiting by batches that are ready but not what they wait for.
    while (changed_.wait(lock, stop,
                         [this] { return !planned_.empty() && (awaited_.has_value() || ready_.size() < ahead_); })) {
      // With a stop requested the wait still tells whether there is something to do.
      if (stop.stop_requested()) return;
      const BatchKey key = planned_.front();
      planned_.pop_front();
      making_ = key;
      keep_making_ = true;
      lock.unlock();
      Made made;
      try {
        made.batch = make_(key);
      } catch (...) {
        made.error = std::current_exception();
      }
      lock.lock();
      making_.reset();
      if (keep_making_) ready_.insert_or_assign(key, std::move(made));
      if (awaited_ == key) awaited_.reset();
      changed_.notify_all();
    }
  }

  Make make_;
  std::size_t ahead_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<BatchKey> planned_;
  std::map<BatchKey, Made> ready_;
  std::optional<BatchKey> making_;
  bool keep_making_ = false;         // what is being made is still wanted
  std::optional<BatchKey> awaited_;  // by a take: the first of planned_, or what is being made
  std::jthread thread_;              // last: it uses all the others
};

}  // namespace shardmill::train
