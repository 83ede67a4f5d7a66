#include "train/augment.hpp"

#include <algorithm>
#include <cstring>

#include "job/error.hpp"
#include "train/random.hpp"

namespace shardmill::train {
namespace {

template <class Element>
void change_rows(const ImageChange& change, const ImageShape& shape, const char* image, char* changed) {
  const std::int64_t width = shape.width;
  // Columns [first, last) of the window show the image, the others the zeros around it.
  const std::int64_t first = std::clamp<std::int64_t>(-change.right, 0, width);
  const std::int64_t last = std::clamp<std::int64_t>(width - change.right, first, width);
  const auto* from = reinterpret_cast<const Element*>(image);
  auto* to = reinterpret_cast<Element*>(changed);
  std::fill_n(to, shape.channels * shape.height * width, Element{});
  for (std::int64_t channel = 0; channel < shape.channels; ++channel) {
    for (std::int64_t y = 0; y < shape.height; ++y) {
      const std::int64_t source = y + change.down;
      if (source < 0 || source >= shape.height) continue;
      const Element* in = from + (channel * shape.height + source) * width + change.right;
      Element* out = to + (channel * shape.height + y) * width;
      if (change.flip) {
        std::reverse_copy(in + first, in + last, out + (width - last));
      } else {
        std::copy(in + first, in + last, out + first);
      }
    }
  }
}

}  // namespace

ImageChange draw_change(const job::Augmentation& augmentation, std::uint64_t seed, std::int64_t epoch,
                        std::int64_t record) {
  RecordRandom random(seed, epoch, record);
  ImageChange change;
  const std::int64_t padding = augmentation.crop_padding;
  // All are drawn, whatever is asked for: the crops are then the same with and without flips.
  change.down = static_cast<std::int64_t>(random.below(static_cast<std::uint32_t>(2 * padding + 1))) - padding;
  change.right = static_cast<std::int64_t>(random.below(static_cast<std::uint32_t>(2 * padding + 1))) - padding;
  change.flip = random.uniform() < augmentation.flip;
  return change;
}

void apply_change(const ImageChange& change, const ImageShape& shape, const void* image, void* changed) {
  const auto* in = static_cast<const char*>(image);
  auto* out = static_cast<char*>(changed);
  switch (shape.element_bytes) {
    case 1:
      return change_rows<std::uint8_t>(change, shape, in, out);
    case 2:
      return change_rows<std::uint16_t>(change, shape, in, out);
    case 4:
      return change_rows<std::uint32_t>(change, shape, in, out);
    case 8:
      return change_rows<std::uint64_t>(change, shape, in, out);
    default:
      SHARDMILL_CHECK(false, "elements of " + std::to_string(shape.element_bytes) + " bytes");
  }
}

}  // namespace shardmill::train
