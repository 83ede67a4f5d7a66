#include "train/optimizer.hpp"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>

#include "job/error.hpp"

namespace shardmill::train {
namespace {

std::vector<std::string> state_names(const job::Optimizer& optimizer) {
  if (optimizer.type != job::OptimizerType::sgd) return {"exp_avg", "exp_avg_sq"};
  return optimizer.momentum != 0 ? std::vector<std::string>{"momentum_buffer"} : std::vector<std::string>{};
}

bool is_flat(const at::Tensor& tensor, std::int64_t count, at::Device device) {
  return tensor.dim() == 1 && tensor.numel() == count && tensor.is_contiguous() && tensor.scalar_type() == at::kFloat &&
         tensor.device().type() == device.type();
}

// Whether both are whole chunks, one after the other. The kernels work through what they are given vector by vector and
// treat but a last, incomplete one otherwise: whole chunks have none, so that one call for several of them gives the
// same bits, in less time.
bool continues(const Slice& part, const Slice& next) {
  return next.first == part.last && part.first % chunk_elements == 0 && part.last % chunk_elements == 0 &&
         next.size() == chunk_elements;
}

}  // namespace

FlatOptimizer::FlatOptimizer(const job::Optimizer& optimizer, std::int64_t count, std::int64_t decayed,
                             at::Device device, std::optional<Slice> held)
    : optimizer_(optimizer), count_(count), decayed_(decayed), device_(device), held_(held.value_or(Slice{0, count})) {
  SHARDMILL_CHECK(decayed >= 0 && decayed <= count, "more decayed parameters than parameters");
  SHARDMILL_CHECK(on_grid(held_, count), "optimizer state held off the grid");
  for (const std::string& name : state_names(optimizer))
    state_.emplace_back(name, at::zeros({held_.size()}, at::TensorOptions().dtype(at::kFloat).device(device)));
}

void FlatOptimizer::step(at::Tensor& parameters, const at::Tensor& gradient, double learning_rate,
                         double gradient_scale, std::int64_t first, std::int64_t last) {
  step(parameters, gradient, learning_rate, gradient_scale, {Slice{first, last}});
}

void FlatOptimizer::step(at::Tensor& parameters, const at::Tensor& gradient, double learning_rate,
                         double gradient_scale, const std::vector<Slice>& slices) {
  SHARDMILL_CHECK(is_flat(parameters, count_, device_) && is_flat(gradient, count_, device_),
                  "parameters or gradient not flat float32 on the optimizer's device");
  ++steps_;
  std::vector<Slice> parts;
  for (const Slice& slice : slices) {
    SHARDMILL_CHECK(on_grid(slice, count_), "a slice off the grid");
    SHARDMILL_CHECK(slice.size() == 0 || (slice.first >= held_.first && slice.last <= held_.last),
                    "a slice without optimizer state");
    if (device_.is_cpu()) {
      const std::vector<Slice> chunks = chunks_of(slice, decayed_);
      parts.insert(parts.end(), chunks.begin(), chunks.end());
    } else {
      // GPU kernels treat all elements alike: fewer calls are faster.
      const std::int64_t border = std::clamp(decayed_, slice.first, slice.last);
      for (const Slice& region : {Slice{slice.first, border}, Slice{border, slice.last}})
        if (region.size() > 0) parts.push_back(region);
    }
  }
  const at::Tensor steps = at::full({}, steps_, at::TensorOptions().dtype(at::kFloat).device(device_));
  const auto update_parts = [&](std::int64_t begin, std::int64_t end) {
    // Each thread has modes of its own: no gradients of the update in any of them.
    const at::AutoDispatchBelowADInplaceOrView guard;
    at::Tensor scratch;
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      Slice part = parts[i];
      at::Tensor scaled;
      if (gradient_scale == 1) {
        while (i + 1 < static_cast<std::size_t>(end) && part.last != decayed_ && continues(part, parts[i + 1]))
          part.last = parts[++i].last;
        scaled = gradient.narrow(0, part.first, part.size());
      } else {
        // One chunk at a time, which stays in the cache.
        if (!scratch.defined() || scratch.numel() < part.size()) scratch = at::empty({part.size()}, gradient.options());
        scaled = scratch.narrow(0, 0, part.size());
        at::mul_out(scaled, gradient.narrow(0, part.first, part.size()), at::scalar_tensor(gradient_scale));
      }
      update(parameters, scaled, learning_rate, part, steps);
    }
  };
  // Inside of parallel_for kernels use the one thread that they are called in.
  if (device_.is_cpu()) {
    at::parallel_for(0, static_cast<std::int64_t>(parts.size()), 1, update_parts);
  } else {
    update_parts(0, static_cast<std::int64_t>(parts.size()));
  }
}

void FlatOptimizer::update(const at::Tensor& parameters, const at::Tensor& gradients, double learning_rate,
                           const Slice& part, const at::Tensor& steps) const {
  const auto cut = [&part](const at::Tensor& tensor, std::int64_t origin) {
    return tensor.narrow(0, part.first - origin, part.size());
  };
  const at::Tensor values = cut(parameters, 0);
  std::vector<at::Tensor> state;
  for (const auto& [name, tensor] : state_) state.push_back(cut(tensor, held_.first));
  const double decay = part.first < decayed_ ? optimizer_.weight_decay : 0;
  switch (optimizer_.type) {
    case job::OptimizerType::sgd:
      // A buffer of zeros makes the first step what torch.optim makes it: dampening is 0.
      at::_fused_sgd_(values, gradients, state, decay, optimizer_.momentum, learning_rate, 0, optimizer_.nesterov,
                      false, false);
      return;
    case job::OptimizerType::adam:
      at::_fused_adam_(values, gradients, state[0], state[1], {}, steps, learning_rate, optimizer_.beta1,
                       optimizer_.beta2, decay, optimizer_.epsilon, false, false);
      return;
    case job::OptimizerType::adamw:
      at::_fused_adamw_(values, gradients, state[0], state[1], {}, steps, learning_rate, optimizer_.beta1,
                        optimizer_.beta2, decay, optimizer_.epsilon, false, false);
      return;
  }
}

}  // namespace shardmill::train
