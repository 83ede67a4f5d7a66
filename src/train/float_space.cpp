#include "train/float_space.hpp"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace shardmill::train {
namespace {

constexpr std::size_t cache_line = 64;

class HostSpace : public FloatSpace {
 public:
  float* allocate(std::size_t count) override {
    const std::size_t bytes = (count * sizeof(float) + cache_line - 1) / cache_line * cache_line;
    auto* data = static_cast<float*>(std::aligned_alloc(cache_line, std::max(bytes, cache_line)));
    if (data == nullptr) throw std::bad_alloc();
    return data;
  }
  void release(float* data, std::size_t) override { std::free(data); }
  void add(const float* a, const float* b, std::size_t count, float* out) override {
    for (std::size_t i = 0; i < count; ++i) out[i] = a[i] + b[i];
  }
  void copy(const float* from, std::size_t count, float* to) override { std::copy_n(from, count, to); }
  void clear(float* data, std::size_t count) override { std::fill_n(data, count, 0.0F); }
  std::size_t block() const override { return 4096; }  // two operands and the sum stay in the first-level cache
};

}  // namespace

FloatSpace& host_space() {
  static HostSpace space;
  return space;
}

}  // namespace shardmill::train
