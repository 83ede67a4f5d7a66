#include "model/zoo/layers.hpp"

#include <cmath>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/zeros.h>

#include "job/error.hpp"
#include "model/error_text.hpp"

namespace shardmill::model::zoo {

Network::Network(std::string name, std::uint64_t seed)
    : Trainable(std::move(name)), generator_(at::detail::createCPUGenerator(seed)) {}

const at::Tensor& Network::only_input(const std::vector<at::Tensor>& inputs) const {
  if (inputs.size() != 1)
    throw ModelError("the network " + name() + " takes one input, and the job gives it " +
                     std::to_string(inputs.size()));
  return inputs.front();
}

at::Tensor Network::tokens(const std::vector<at::Tensor>& inputs, std::int64_t vocabulary, std::int64_t longest) const {
  const at::Tensor& input = only_input(inputs);
  if (input.dim() != 2 || !at::isIntegralType(input.scalar_type(), /*includeBool=*/false))
    throw ModelError("the network " + name() + " takes integer tokens, [batch, length], and the job gives it " +
                     describe(inputs));
  if (input.size(1) > longest)
    throw ModelError("the network " + name() + " takes at most " + std::to_string(longest) +
                     " tokens a record, and the job gives it " + std::to_string(input.size(1)));
  at::Tensor tokens = input.to(at::kLong);
  if (tokens.is_cpu() && tokens.numel() > 0) {
    const auto lowest = tokens.min().item<std::int64_t>();
    const auto highest = tokens.max().item<std::int64_t>();
    if (lowest < 0 || highest >= vocabulary)
      throw ModelError("the network " + name() + " takes tokens from 0 to " + std::to_string(vocabulary - 1) +
                       ", and a record has " + std::to_string(lowest < 0 ? lowest : highest));
  }
  return tokens;
}

void Network::check_heads(std::int64_t width, std::int64_t heads) const {
  if (heads < 1 || width % heads != 0)
    throw ModelError("the network " + name() + " cannot split its width " + std::to_string(width) + " among " +
                     std::to_string(heads) + " heads; choose a width that is a multiple of heads");
}

at::Tensor Scope::parameter(const std::string& name, at::Tensor value) const {
  value.set_requires_grad(true);
  network_.parameters_.push_back({prefix_ + name, value});
  return value;
}

at::Tensor Scope::uniform(const std::string& name, at::IntArrayRef shape, double bound) const {
  return parameter(name, at::empty(shape, at::kFloat).uniform_(-bound, bound, network_.generator_));
}

at::Tensor Scope::normal(const std::string& name, at::IntArrayRef shape, double deviation) const {
  return parameter(name, at::empty(shape, at::kFloat).normal_(0, deviation, network_.generator_));
}

at::Tensor Scope::constant(const std::string& name, at::IntArrayRef shape, double value) const {
  return parameter(name, at::full(shape, value, at::kFloat));
}

at::Tensor Scope::buffer(const std::string& name, const at::Tensor& value) const {
  network_.buffers_.push_back({prefix_ + name, value});
  return value;
}

Linear::Linear(const Scope& scope, std::int64_t inputs, std::int64_t outputs) {
  const double bound = 1 / std::sqrt(static_cast<double>(inputs));
  weight = scope.uniform("weight", {outputs, inputs}, bound);
  bias = scope.uniform("bias", {outputs}, bound);
}

Linear::Linear(const Scope& scope, std::int64_t inputs, std::int64_t outputs, bool with_bias, double deviation)
    : weight(scope.normal("weight", {outputs, inputs}, deviation)) {
  if (with_bias) bias = scope.constant("bias", {outputs}, 0);
}

at::Tensor Linear::operator()(const at::Tensor& x) const { return at::linear(x, weight, bias); }

Conv2d::Conv2d(const Scope& scope, std::int64_t inputs, std::int64_t outputs, std::int64_t kernel, std::int64_t step,
               Init init)
    : stride(step), padding(kernel / 2) {
  const auto area = static_cast<double>(kernel * kernel);
  const at::DimVector shape{outputs, inputs, kernel, kernel};
  weight = init == Init::fan_in ? scope.uniform("weight", shape, 1 / std::sqrt(static_cast<double>(inputs) * area))
                                : scope.normal("weight", shape, std::sqrt(2 / (static_cast<double>(outputs) * area)));
}

at::Tensor Conv2d::operator()(const at::Tensor& x) const {
  return at::conv2d(x, weight, {}, {stride, stride}, {padding, padding});
}

BatchNorm2d::BatchNorm2d(const Scope& scope, std::int64_t channels)
    : weight(scope.constant("weight", {channels}, 1)),
      bias(scope.constant("bias", {channels}, 0)),
      running_mean(scope.buffer("running_mean", at::zeros({channels}, at::kFloat))),
      running_var(scope.buffer("running_var", at::ones({channels}, at::kFloat))),
      num_batches_tracked(scope.buffer("num_batches_tracked", at::zeros({}, at::kLong))),
      network(&scope.network()) {}

at::Tensor BatchNorm2d::operator()(const at::Tensor& x) const {
  constexpr double momentum = 0.1;
  constexpr double epsilon = 1e-5;
  const bool training = network->training();
  if (training) num_batches_tracked.add_(1);
  return at::batch_norm(x, weight, bias, running_mean, running_var, training, momentum, epsilon,
                        at::globalContext().userEnabledCuDNN());
}

LayerNorm::LayerNorm(const Scope& scope, std::int64_t width, bool with_bias)
    : weight(scope.constant("weight", {width}, 1)) {
  if (with_bias) bias = scope.constant("bias", {width}, 0);
}

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  return at::layer_norm(x, weight.sizes(), weight, bias, /*eps=*/1e-5);
}

at::Tensor attention(const at::Tensor& qkv, std::int64_t heads, const at::Tensor& mask, double dropout, bool causal) {
  const std::int64_t batch = qkv.size(0);
  const std::int64_t length = qkv.size(1);
  const std::int64_t width = qkv.size(2) / 3;
  const auto part = [&](std::int64_t which) {
    return qkv.narrow(2, which * width, width).view({batch, length, heads, width / heads}).transpose(1, 2);
  };
  const auto optional_mask = mask.defined() ? std::optional<at::Tensor>(mask) : std::nullopt;
  return at::scaled_dot_product_attention(part(0), part(1), part(2), optional_mask, dropout, causal)
      .transpose(1, 2)
      .reshape({batch, length, width});
}

}  // namespace shardmill::model::zoo
