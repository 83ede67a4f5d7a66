// A queue between two pipeline stages: bounded, so that a fast stage waits instead of filling the memory. Small items
// may be many, if it is told so.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace shardmill::infer {

// Any number of threads at both ends.
template <typename T>
class BoundedQueue {
 public:
  // small_bytes: more items than `capacity`, up to most_small, are taken while all together have no more bytes than
  // that (items with bytes()).
  explicit BoundedQueue(std::size_t capacity, std::size_t small_bytes = 0)
      : capacity_(capacity), small_bytes_(small_bytes) {}

  static constexpr std::size_t most_small = 1024;

  // Waits for room; false if the queue is closed (the item is dropped).
  bool push(T item) {
    std::unique_lock lock(mutex_);
    const std::size_t bytes = bytes_of(item);
    room_.wait(lock, [&] { return closed_ || items_.size() < capacity_ || is_small(bytes); });
    if (closed_) return false;
    bytes_ += bytes;
    items_.push_back(std::move(item));
    filled_.notify_one();
    return true;
  }
  // Waits for an item; none if the queue is closed and empty.
  std::optional<T> pop() {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [this] { return closed_ || !items_.empty(); });
    return take();
  }
  std::optional<T> try_pop() {
    const std::lock_guard lock(mutex_);
    return take();
  }
  // What is in stays in; nothing more comes in, and waiting threads go on.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    filled_.notify_all();
    room_.notify_all();
  }

 private:
  static std::size_t bytes_of(const T& item) {
    if constexpr (requires { item.bytes(); }) {
      return item.bytes();
    } else {
      return 0;
    }
  }
  bool is_small(std::size_t bytes) const {
    return small_bytes_ > 0 && bytes_ + bytes <= small_bytes_ && items_.size() < most_small;
  }
  std::optional<T> take() {
    if (items_.empty()) return std::nullopt;
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    bytes_ -= bytes_of(*item);
    room_.notify_one();
    return item;
  }

  std::mutex mutex_;
  std::condition_variable filled_;
  std::condition_variable room_;
  std::deque<T> items_;
  std::size_t capacity_;
  std::size_t small_bytes_;
  std::size_t bytes_ = 0;
  bool closed_ = false;
};

}  // namespace shardmill::infer
