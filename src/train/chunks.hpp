// The fixed grid over a flat vector of parameters, on which it is updated and its norm is summed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace shardmill::train {

// Elements. A chunk is worked on by one thread in one call, so that no bit depends on who owns which chunks, nor on the
// number of threads.
inline constexpr std::int64_t chunk_elements = 65536;

// Elements [first, last) of a flat vector.
struct Slice {
  std::int64_t first = 0;
  std::int64_t last = 0;

  std::int64_t size() const { return last - first; }
  friend bool operator==(const Slice&, const Slice&) = default;
};

// Whether it begins and ends on borders of the grid over [0, count), or is empty.
inline bool on_grid(const Slice& slice, std::int64_t count) {
  return slice.first >= 0 && slice.first <= slice.last && slice.last <= count &&
         (slice.first == slice.last ||
          (slice.first % chunk_elements == 0 && (slice.last % chunk_elements == 0 || slice.last == count)));
}

// The slice's chunks, cut a second time at `border`, where one region of the vector ends and another begins.
inline std::vector<Slice> chunks_of(const Slice& slice, std::int64_t border = 0) {
  std::vector<Slice> chunks;
  for (std::int64_t first = slice.first; first < slice.last;) {
    std::int64_t last = std::min(slice.last, (first / chunk_elements + 1) * chunk_elements);
    if (first < border && border < last) last = border;
    chunks.push_back({first, last});
    first = last;
  }
  return chunks;
}

}  // namespace shardmill::train
