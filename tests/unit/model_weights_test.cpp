#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model/weights.hpp"
#include "model_files.hpp"

namespace shardmill::model {
namespace {

using namespace test;

const job::Zoo gpt = job::Gpt{20, 8, 2, 2, 8};
const job::Zoo resnet = job::ResNet{18, 1, 10, job::Stem::cifar};

std::vector<NamedTensor> state(const Trainable& network) {
  std::vector<NamedTensor> result;
  for (const auto* group : {&network.parameters(), &network.buffers()})
    for (const auto& [name, tensor] : *group) result.push_back({name, tensor.detach().clone()});
  return result;
}

bool equal(const std::vector<NamedTensor>& a, const std::vector<NamedTensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return x.name == y.name && at::equal(x.tensor, y.tensor); });
}

// A network of other first values than seed 1's takes the weights and is then the same.
void expect_taken(const job::Zoo& spec, std::vector<NamedTensor> weights) {
  const auto expected = state(*make_zoo(spec, 1));
  const auto network = make_zoo(spec, 2);
  assign_weights(*network, std::move(weights), "w");
  EXPECT_TRUE(equal(state(*network), expected));
}

// The weights are refused with a sentence that has `part`, and the network stays as it was.
void expect_refused(const job::Zoo& spec, std::vector<NamedTensor> weights, const std::string& part) {
  const auto network = make_zoo(spec, 2);
  const auto before = state(*network);
  const std::string message = model_error([&] { assign_weights(*network, std::move(weights), "w.safetensors"); });
  EXPECT_NE(message.find(part), std::string::npos) << "in: " << message;
  EXPECT_TRUE(message.starts_with("w.safetensors does not fit the network ")) << message;
  EXPECT_TRUE(equal(state(*network), before));
}

at::Tensor& named(std::vector<NamedTensor>& weights, const std::string& name) {
  for (auto& weight : weights)
    if (weight.name == name) return weight.tensor;
  throw std::runtime_error("no " + name);
}

TEST(ModelWeights, AsTheyAreOrWithTheNamesOfWrappers) {
  expect_taken(resnet, state(*make_zoo(resnet, 1)));
  auto wrapped = state(*make_zoo(resnet, 1));
  for (auto& weight : wrapped) weight.name = "module._orig_mod." + weight.name;
  expect_taken(resnet, wrapped);
  auto old = state(*make_zoo(resnet, 1));
  std::erase_if(old, [](const auto& weight) { return weight.name.ends_with("num_batches_tracked"); });
  expect_taken(resnet, old);
  auto wide = state(*make_zoo(resnet, 1));
  for (auto& weight : wide)
    if (weight.tensor.is_floating_point()) weight.tensor = weight.tensor.to(at::kDouble);
  expect_taken(resnet, wide);
}

TEST(ModelWeights, Gpt2AsHuggingFaceHasIt) {
  auto weights = state(*make_zoo(gpt, 1));
  for (auto& [name, tensor] : weights) {
    name.erase(0, std::string("transformer.").size());
    if (name.find(".c_") != std::string::npos && tensor.dim() == 2) tensor = tensor.t().contiguous();
  }
  weights.push_back({"h.0.attn.bias", at::ones({1, 1, 8, 8}).tril()});
  weights.push_back({"h.1.attn.masked_bias", at::tensor(-1e4)});
  expect_taken(gpt, weights);
  weights.push_back({"lm_head.weight", named(weights, "wte.weight")});
  expect_taken(gpt, weights);
}

TEST(ModelWeights, TiedWeightsUnderEitherName) {
  auto weights = state(*make_zoo(gpt, 1));
  const at::Tensor wte = named(weights, "transformer.wte.weight");
  weights.push_back({"lm_head.weight", wte.clone()});
  expect_taken(gpt, weights);
  weights.back().tensor = wte + 1;
  expect_refused(gpt, weights, "lm_head.weight differs from transformer.wte.weight");
  weights.front().name = "lm_head.weight";
  weights.pop_back();
  expect_taken(gpt, weights);
}

TEST(ModelWeights, WhatDoesNotFitIsNamed) {
  auto weights = state(*make_zoo(resnet, 1));
  named(weights, "fc.weight") = at::zeros({1000, 512});
  named(weights, "fc.bias") = at::zeros({1000});
  expect_refused(resnet, weights, "fc.bias is [1000], not [10], fc.weight is [1000, 512], not [10, 512]");
  weights = state(*make_zoo(resnet, 1));
  named(weights, "fc.bias") = at::zeros({10}, at::kLong);
  expect_refused(resnet, weights, "fc.bias is Long [10], not Float [10]");
  weights = state(*make_zoo(resnet, 1));
  weights.erase(weights.begin());
  weights.push_back({"head.weight", at::zeros({1})});
  expect_refused(resnet, weights, "it lacks conv1.weight; it has what the network has not: head.weight");
  weights.push_back(weights.front());
  expect_refused(resnet, weights, "it has bn1.weight twice");
  expect_refused(resnet, {}, "it lacks bn1.bias, bn1.running_mean, bn1.running_var and 99 more");
  expect_refused(resnet, state(*make_zoo(gpt, 1)), " more");
}

}  // namespace
}  // namespace shardmill::model
