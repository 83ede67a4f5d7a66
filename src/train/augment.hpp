// Random changes of image records, as job::Augmentation asks for.
#pragma once

#include <cstddef>
#include <cstdint>

#include "job/train.hpp"

namespace shardmill::train {

// What is done to one record in one epoch: cut a window out of the image with zeros around it, then flip.
struct ImageChange {
  std::int64_t down = 0;   // rows that the window lies below the image's top; negative: above
  std::int64_t right = 0;  // columns that it lies right of the image's left edge
  bool flip = false;       // left to right

  friend bool operator==(const ImageChange&, const ImageChange&) = default;
};

struct ImageShape {
  std::int64_t channels;
  std::int64_t height;
  std::int64_t width;
  std::size_t element_bytes;  // 1, 2, 4 or 8
};

// Depends on its arguments alone.
ImageChange draw_change(const job::Augmentation& augmentation, std::uint64_t seed, std::int64_t epoch,
                        std::int64_t record);

// Both are [channels, height, width], row-major, and do not overlap. Zeros are zero bytes.
void apply_change(const ImageChange& change, const ImageShape& shape, const void* image, void* changed);

}  // namespace shardmill::train
