#include "train/grad_norm.hpp"

#include <array>
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "job/error.hpp"

namespace shardmill::train {
namespace {

// Eight sums side by side, so that the compiler may use vectors without changing the order. The square of a float32 is
// exact in float64: whether multiply and add are fused makes no difference.
double squares(const float* values, std::int64_t count) {
  constexpr std::size_t lanes = 8;
  std::array<double, lanes> sums{};
  std::int64_t i = 0;
  for (; i + static_cast<std::int64_t>(lanes) <= count; i += static_cast<std::int64_t>(lanes))
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      const double value = values[i + static_cast<std::int64_t>(lane)];
      sums[lane] += value * value;
    }
  for (; i < count; ++i) sums[0] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

}  // namespace

std::vector<double> chunk_squares(const at::Tensor& gradient, const Slice& slice) {
  SHARDMILL_CHECK(gradient.dim() == 1 && gradient.is_contiguous() && gradient.scalar_type() == at::kFloat,
                  "a gradient that is not flat float32");
  SHARDMILL_CHECK(on_grid(slice, gradient.numel()), "a slice off the grid");
  const std::vector<Slice> chunks = chunks_of(slice);
  std::vector<double> sums(chunks.size());
  if (gradient.is_cpu()) {
    const float* values = gradient.const_data_ptr<float>();
    at::parallel_for(0, static_cast<std::int64_t>(chunks.size()), 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i)
        sums[i] = squares(values + chunks[i].first, chunks[i].size());
    });
    return sums;
  }
  if (chunks.empty()) return sums;
  std::vector<at::Tensor> on_device;
  for (const Slice& chunk : chunks)
    on_device.push_back(gradient.narrow(0, chunk.first, chunk.size()).to(at::kDouble).square_().sum());
  const at::Tensor together = at::stack(on_device).cpu();
  std::copy_n(together.const_data_ptr<double>(), sums.size(), sums.begin());
  return sums;
}

double norm_of(const std::vector<double>& squares) {
  double sum = 0;
  for (const double square : squares) sum += square;
  return std::sqrt(sum);
}

double grad_norm(const at::Tensor& gradient) { return norm_of(chunk_squares(gradient, {0, gradient.numel()})); }

}  // namespace shardmill::train
