// A queue between two pipeline stages: bounded, so that a fast stage waits instead of filling the memory. Small items
// may be many, if it is told so.
//
// To wake a thread costs as much as to handle a small item, so who waits for room is woken when half of it is free, and
// who takes items can let some come together.
#pragma once

#include <chrono>
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
  explicit BoundedQueue(std::size_t capacity, std::size_t small_bytes = 0, std::size_t most_small = 1024)
      : capacity_(capacity), small_bytes_(small_bytes), most_small_(most_small) {}

  // Waits for room; false if the queue is closed (the item is dropped).
  bool push(T item) {
    std::unique_lock lock(mutex_);
    const std::size_t bytes = bytes_of(item);
    room_.wait(lock, [&] { return closed_ || items_.size() < capacity_ || is_small(bytes); });
    if (closed_) return false;
    bytes_ += bytes;
    items_.push_back(std::move(item));
    if (!lingers_ || is_due()) filled_.notify_one();
    return true;
  }
  // Waits for an item; none if the queue is closed and empty. When there is one, lingers for more, until an item comes
  // that is urgent() or half of the room is taken; that is for one thread.
  std::optional<T> pop(std::chrono::microseconds linger = {}) {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [this] { return closed_ || !items_.empty(); });
    if (linger.count() > 0) {
      lingers_ = true;
      filled_.wait_for(lock, linger, [this] { return closed_ || is_due(); });
      lingers_ = false;
    }
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
    return small_bytes_ > 0 && bytes_ + bytes <= small_bytes_ && items_.size() < most_small_;
  }
  bool is_half_free() const {
    return items_.size() <= capacity_ / 2 ||
           (small_bytes_ > 0 && bytes_ <= small_bytes_ / 2 && items_.size() <= most_small_ / 2);
  }
  // Of the items that somebody lingers over.
  bool is_due() const {
    if (items_.empty() || !is_half_free()) return true;
    if constexpr (requires { items_.back().urgent(); }) return items_.back().urgent();
    return false;
  }
  std::optional<T> take() {
    if (items_.empty()) return std::nullopt;
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    bytes_ -= bytes_of(*item);
    if (is_half_free()) room_.notify_one();
    return item;
  }

  std::mutex mutex_;
  std::condition_variable filled_;
  std::condition_variable room_;
  std::deque<T> items_;
  std::size_t capacity_;
  std::size_t small_bytes_;
  std::size_t most_small_;
  std::size_t bytes_ = 0;
  bool closed_ = false;
  bool lingers_ = false;
};

}  // namespace shardmill::infer
