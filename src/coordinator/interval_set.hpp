// A set of integers as disjoint half-open intervals: what is done takes a few bytes a shard at worst, and nothing when
// the work goes through in order.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace shardmill::coordinator {

class IntervalSet {
 public:
  IntervalSet() = default;
  // [first, last)
  IntervalSet(std::int64_t first, std::int64_t last);

  void insert(std::int64_t value) { insert(value, value + 1); }
  void insert(std::int64_t first, std::int64_t last);
  // Value must be in the set (checked).
  void erase(std::int64_t value);
  bool contains(std::int64_t value) const;
  bool empty() const { return intervals_.empty(); }
  std::int64_t size() const { return size_; }
  std::optional<std::int64_t> first() const;
  // The smallest value is taken out; the set must not be empty (checked).
  std::int64_t pop_first();

  const std::map<std::int64_t, std::int64_t>& intervals() const { return intervals_; }  // first -> last
  friend bool operator==(const IntervalSet&, const IntervalSet&) = default;

 private:
  std::map<std::int64_t, std::int64_t> intervals_;
  std::int64_t size_ = 0;
};

}  // namespace shardmill::coordinator
