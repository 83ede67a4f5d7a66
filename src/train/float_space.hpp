// Where vectors of float32 lie, host memory or a GPU's, and who adds them there.
//
// Additions are those of IEEE 754, one for each element, so that a sum has the same bits in every space.
#pragma once

#include <cstddef>
#include <memory>

namespace shardmill::train {

class FloatSpace {
 public:
  virtual ~FloatSpace() = default;
  // Aligned to a cache line, of unset content. Throws std::bad_alloc, or c10::Error on a GPU.
  virtual float* allocate(std::size_t count) = 0;
  virtual void release(float* data, std::size_t count) = 0;
  // out[i] = a[i] + b[i]; `out` may be one of them.
  virtual void add(const float* a, const float* b, std::size_t count, float* out) = 0;
  virtual void copy(const float* from, std::size_t count, float* to) = 0;
  virtual void clear(float* data, std::size_t count) = 0;  // to 0
  // As many floats as are best added at a time where several vectors are added.
  virtual std::size_t block() const = 0;
};

// A vector in a space; none if it is empty. Movable.
struct ReleaseFloats {
  FloatSpace* space = nullptr;
  std::size_t count = 0;
  void operator()(float* data) const { space->release(data, count); }
};
using Floats = std::unique_ptr<float[], ReleaseFloats>;
inline Floats make_floats(FloatSpace& space, std::size_t count) {
  return Floats(space.allocate(count), {&space, count});
}
inline std::size_t size_of(const Floats& floats) { return floats ? floats.get_deleter().count : 0; }

// Of the whole process.
FloatSpace& host_space();

}  // namespace shardmill::train
