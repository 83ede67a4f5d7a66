// Vectors in a device's memory, added there by LibTorch.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include <ATen/core/TensorBody.h>

#include "train/float_space.hpp"

namespace shardmill::train {

// On the device's current stream; from one thread. Works on at::kCPU too.
std::unique_ptr<FloatSpace> make_device_space(at::Device device);

// A tensor of float32 over a vector of such a space, or over host memory; it owns nothing.
at::Tensor view_of_floats(float* data, std::size_t count, at::Device device);

// The other way: what a flat, contiguous tensor of float32 lies over.
inline std::span<float> floats_of(at::Tensor& flat) {
  return {flat.mutable_data_ptr<float>(), static_cast<std::size_t>(flat.numel())};
}

}  // namespace shardmill::train
