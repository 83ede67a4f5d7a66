#include "train/flat_state.hpp"

#include <algorithm>
#include <string_view>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include "job/error.hpp"

namespace shardmill::train {
namespace {

constexpr std::int64_t border = 16;  // floats: 64 bytes, a cache line and the widest vector

// With the gap behind it.
std::int64_t end_of(const FlatPart& part) { return part.first + (part.count + border - 1) / border * border; }

std::int64_t append(std::vector<FlatPart>& parts, std::int64_t end, const std::string& name, const at::Tensor& tensor) {
  parts.push_back({name, tensor.sizes().vec(), end, tensor.numel()});
  return end_of(parts.back());
}

at::Tensor view_of(const at::Tensor& flat, const FlatPart& part) {
  return flat.narrow(0, part.first, part.count).view(part.shape);
}

bool counts_batches(const std::string& name) {
  constexpr std::string_view end = "num_batches_tracked";
  return name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

// Called by autograd, in the thread that runs the backward pass, when a parameter's gradient is whole.
class FlatState::Collector : public torch::autograd::PostAccumulateGradHook {
 public:
  Collector(FlatState& state, std::size_t parameter) : state_(state), parameter_(parameter) {}
  void operator()(const at::Tensor& /*parameter*/) override { state_.collect(parameter_); }

 private:
  FlatState& state_;
  std::size_t parameter_;
};

FlatState::FlatState(model::Trainable& network, bool decay_all) : network_(network) {
  const at::NoGradGuard no_grad;
  std::int64_t end = 0;
  enum Region { decayed, not_decayed, frozen };
  for (const Region region : {decayed, not_decayed, frozen}) {
    for (const model::NamedTensor& parameter : network.parameters()) {
      const Region its_region = !parameter.tensor.requires_grad()         ? frozen
                                : decay_all || parameter.tensor.dim() > 1 ? decayed
                                                                          : not_decayed;
      if (its_region != region) continue;
      if (parameter.tensor.scalar_type() != at::kFloat) {
        throw ModelError("parameter " + parameter.name + " of " + network.name() +
                         " is not float32; training needs that");
      }
      end = append(parameter_parts_, end, parameter.name, parameter.tensor);
      live_parameters_.push_back(parameter.tensor);
    }
    if (region == decayed) decayed_ = end;
    if (region == not_decayed) trained_ = end;
  }
  if (trained_ == 0) throw ModelError(network.name() + " has no parameters to train");
  const at::Device device = live_parameters_.front().device();
  parameters_ = at::zeros({end}, at::TensorOptions().dtype(at::kFloat).device(device));
  for (std::size_t i = 0; i < live_parameters_.size(); ++i) {
    const at::Tensor view = view_of(parameters_, parameter_parts_[i]);
    view.copy_(live_parameters_[i]);
    live_parameters_[i].set_data(view);
  }
  places_.resize(live_parameters_.size());
  collected_.resize(live_parameters_.size());
  for (std::size_t i = 0; i < live_parameters_.size(); ++i) {
    if (live_parameters_[i].requires_grad())
      torch::autograd::impl::set_post_acc_grad_hooks(live_parameters_[i], std::make_unique<Collector>(*this, i));
  }

  std::int64_t floats = 0;
  std::int64_t integers = 0;
  for (const model::NamedTensor& buffer : network.buffers()) {
    if (buffer.tensor.is_floating_point()) {
      floats = append(buffer_parts_, floats, buffer.name, buffer.tensor);
      live_buffers_.push_back(buffer.tensor);
    } else {
      counter_parts_.push_back({buffer.name, buffer.tensor.sizes().vec(), integers, buffer.tensor.numel()});
      integers += buffer.tensor.numel();
      live_counters_.push_back(buffer.tensor);
      const at::Tensor values = buffer.tensor.to(at::kCPU, at::kLong).contiguous().view({-1});
      counters_.insert(counters_.end(), values.const_data_ptr<std::int64_t>(),
                       values.const_data_ptr<std::int64_t>() + values.numel());
    }
  }
  buffers_ = at::zeros({floats}, at::TensorOptions().dtype(at::kFloat).device(device));
  for (std::size_t i = 0; i < live_buffers_.size(); ++i) view_of(buffers_, buffer_parts_[i]).copy_(live_buffers_[i]);
}

FlatState::~FlatState() {
  for (const at::Tensor& parameter : live_parameters_) {
    if (parameter.requires_grad()) torch::autograd::impl::set_post_acc_grad_hooks(parameter, nullptr);
  }
}

// A gradient is moved to its place as soon as it is there, while it is in the cache, and its memory is free for the
// next. Had it a place from the start, autograd would add it to zeros: two more passes over all of the gradient.
void FlatState::collect(std::size_t parameter) {
  if (collected_[parameter] != 0) return;  // it has been added in place
  const at::NoGradGuard no_grad;
  at::Tensor& gradient = live_parameters_[parameter].mutable_grad();
  places_[parameter].copy_(gradient);
  gradient = places_[parameter];
  collected_[parameter] = 1;
}

void FlatState::collect_into(const at::Tensor& contribution) {
  for (std::size_t i = 0; i < live_parameters_.size(); ++i) {
    if (!live_parameters_[i].requires_grad()) continue;
    const FlatPart& part = parameter_parts_[i];
    places_[i] = view_of(contribution, part);
    contribution.narrow(0, part.first + part.count, end_of(part) - part.first - part.count).zero_();
    collected_[i] = 0;
    live_parameters_[i].mutable_grad().reset();
  }
}

void FlatState::finish_gradient() {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < live_parameters_.size(); ++i) {
    if (live_parameters_[i].requires_grad() && collected_[i] == 0) places_[i].zero_();
  }
}

void FlatState::reset_buffers() {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < live_buffers_.size(); ++i) live_buffers_[i].copy_(view_of(buffers_, buffer_parts_[i]));
  for (std::size_t i = 0; i < live_counters_.size(); ++i) {
    const FlatPart& part = counter_parts_[i];
    const at::Tensor values =
        at::from_blob(counters_.data() + part.first, part.shape, at::TensorOptions().dtype(at::kLong));
    live_counters_[i].copy_(values);
  }
}

void FlatState::collect_buffers(at::Tensor& contribution, double weight) const {
  const at::NoGradGuard no_grad;
  at::Tensor into = contribution.narrow(0, trained_, buffers_.numel());
  into.zero_();
  if (weight == 0) return;
  for (std::size_t i = 0; i < live_buffers_.size(); ++i)
    view_of(into, buffer_parts_[i]).copy_(live_buffers_[i]).mul_(weight);
}

void FlatState::commit_buffers(const at::Tensor& sum, std::int64_t passes) {
  buffers_.copy_(sum.narrow(0, trained_, buffers_.numel()));
  for (const FlatPart& part : counter_parts_) {
    if (counts_batches(part.name)) {
      for (std::int64_t i = 0; i < part.count; ++i) counters_[static_cast<std::size_t>(part.first + i)] += passes;
    }
  }
}

void FlatState::set_loss(at::Tensor& contribution, double loss) const { contribution[contribution.numel() - 1] = loss; }

double FlatState::loss_of(const at::Tensor& contribution) const {
  return static_cast<double>(contribution[contribution.numel() - 1].item<float>());
}

}  // namespace shardmill::train
