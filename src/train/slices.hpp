// How a flat vector is cut among the members of a step.
#pragma once

#include <cstdint>
#include <vector>

#include "train/chunks.hpp"

namespace shardmill::train {

// One slice each, in order, on borders of `grain` elements; some may be empty.
inline std::vector<Slice> slices_of(std::int64_t elements, std::size_t members, std::int64_t grain) {
  std::vector<Slice> slices(members);
  const std::int64_t grains = (elements + grain - 1) / grain;
  const auto count = static_cast<std::int64_t>(members);
  for (std::int64_t i = 0; i < count; ++i) {
    Slice& slice = slices[static_cast<std::size_t>(i)];
    slice.first = std::min(grains * i / count * grain, elements);
    slice.last = std::min(grains * (i + 1) / count * grain, elements);
  }
  return slices;
}

}  // namespace shardmill::train
