// The optimizers of torch.optim over one flat vector of parameters, or over slices of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/TensorBody.h>

#include "job/train.hpp"
#include "train/chunks.hpp"

namespace shardmill::train {

// Parameters are laid out so that those with weight decay come first. Each chunk of the grid is updated by one call of
// LibTorch's fused kernels, in one thread, so that the bits of an element do not depend on the slice that it was
// updated in, nor on the number of threads. (The kernels round the last elements of what they are given otherwise than
// the rest: a slice must not end inside of a chunk.)
//
// One thread at a time, not collective.
class FlatOptimizer {
 public:
  // count elements, of which [0, decayed) have weight decay (all, if the job says decay_all: the caller's choice).
  // State is held, as zeros, for `held` alone (on_grid; none given: for all).
  FlatOptimizer(const job::Optimizer& optimizer, std::int64_t count, std::int64_t decayed, at::Device device,
                std::optional<Slice> held = std::nullopt);

  // One step of the optimizer, which updates [first, last) of the parameters and of the state. parameters and gradient:
  // flat, contiguous, float32, of `count` elements, on the device. The gradient is not changed; it is multiplied by
  // gradient_scale first (clipping). The slice is on_grid and within `held`.
  void step(at::Tensor& parameters, const at::Tensor& gradient, double learning_rate, double gradient_scale,
            std::int64_t first, std::int64_t last);
  // The same of several slices, or of none: still one step.
  void step(at::Tensor& parameters, const at::Tensor& gradient, double learning_rate, double gradient_scale,
            const std::vector<Slice>& slices);

  // The state under torch.optim's names: sgd "momentum_buffer" (none without momentum), adam and adamw "exp_avg" and
  // "exp_avg_sq". Flat float32 of held().size() elements. These are the optimizer's own tensors: to restore a
  // checkpoint, copy into them and set_steps.
  const std::vector<std::pair<std::string, at::Tensor>>& state() const { return state_; }
  const Slice& held() const { return held_; }

  // Steps taken: Adam's bias correction depends on it.
  std::int64_t steps() const { return steps_; }
  void set_steps(std::int64_t steps) { steps_ = steps; }

 private:
  // Of a part that is all decayed, or all not. gradients: the part's, scaled.
  void update(const at::Tensor& parameters, const at::Tensor& gradients, double learning_rate, const Slice& part,
              const at::Tensor& steps) const;

  job::Optimizer optimizer_;
  std::int64_t count_;
  std::int64_t decayed_;
  at::Device device_;
  Slice held_;
  std::int64_t steps_ = 0;
  std::vector<std::pair<std::string, at::Tensor>> state_;
};

}  // namespace shardmill::train
