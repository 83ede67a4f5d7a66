#include "coordinator/interval_set.hpp"

#include <algorithm>
#include <iterator>

#include "job/error.hpp"

namespace shardmill::coordinator {

IntervalSet::IntervalSet(std::int64_t first, std::int64_t last) {
  if (first < last) insert(first, last);
}

void IntervalSet::insert(std::int64_t first, std::int64_t last) {
  SHARDMILL_CHECK(first < last, "empty interval");
  auto next = intervals_.upper_bound(first);
  if (next != intervals_.begin()) {
    auto before = std::prev(next);
    if (before->second >= first) next = before;  // touches or overlaps: merge with it
  }
  while (next != intervals_.end() && next->first <= last) {
    first = std::min(first, next->first);
    last = std::max(last, next->second);
    size_ -= next->second - next->first;
    next = intervals_.erase(next);
  }
  intervals_.emplace_hint(next, first, last);
  size_ += last - first;
}

void IntervalSet::erase(std::int64_t value) {
  SHARDMILL_CHECK(contains(value), "not in the set: " + std::to_string(value));
  auto found = std::prev(intervals_.upper_bound(value));
  const auto [first, last] = *found;
  found = intervals_.erase(found);
  if (value + 1 < last) found = intervals_.emplace_hint(found, value + 1, last);
  if (first < value) intervals_.emplace_hint(found, first, value);
  --size_;
}

bool IntervalSet::contains(std::int64_t value) const {
  auto next = intervals_.upper_bound(value);
  return next != intervals_.begin() && std::prev(next)->second > value;
}

std::optional<std::int64_t> IntervalSet::first() const {
  if (intervals_.empty()) return std::nullopt;
  return intervals_.begin()->first;
}

std::int64_t IntervalSet::pop_first() {
  SHARDMILL_CHECK(!empty(), "nothing to take");
  const std::int64_t value = intervals_.begin()->first;
  erase(value);
  return value;
}

}  // namespace shardmill::coordinator
