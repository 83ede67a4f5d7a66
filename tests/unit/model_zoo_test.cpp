#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <set>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model/model.hpp"
#include "model/trainable.hpp"
#include "model_files.hpp"

namespace shardmill::model {
namespace {

using namespace test;

at::Tensor tokens(std::int64_t batch, std::int64_t length, std::int64_t vocabulary) {
  return at::arange(batch * length, at::kLong).mul(7).remainder(vocabulary).reshape({batch, length});
}

at::Tensor images(at::IntArrayRef shape) {
  return at::arange(c10::multiply_integers(shape), at::kFloat).sin().reshape(shape);
}

std::int64_t count(const Trainable& network) {
  std::int64_t sum = 0;
  for (const auto& [name, tensor] : network.parameters()) sum += tensor.numel();
  return sum;
}

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  return a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type() &&
         std::memcmp(a.contiguous().data_ptr(), b.contiguous().data_ptr(), a.nbytes()) == 0;
}

bool same_bits(const std::vector<NamedTensor>& a, const std::vector<NamedTensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const NamedTensor& x, const NamedTensor& y) {
    return x.name == y.name && same_bits(x.tensor, y.tensor);
  });
}

std::set<std::string> names(const std::vector<NamedTensor>& tensors) {
  std::set<std::string> names;
  for (const auto& item : tensors) names.insert(item.name);
  EXPECT_EQ(names.size(), tensors.size());
  return names;
}

struct Case {
  std::string name;
  job::Zoo spec;
  at::Tensor input;
  std::vector<std::int64_t> output;
};

std::vector<Case> cases() {
  const job::Stem cifar = job::Stem::cifar;
  return {
      {"mlp", job::Mlp{12, {8, 6}, 3, job::Activation::gelu, 0.5}, images({5, 3, 4}), {5, 3}},
      {"linear", job::Mlp{12, {}, 3, job::Activation::relu, 0.5}, images({5, 12}), {5, 3}},
      {"cnn", job::Cnn{2, {4, 8}, 10, 0.5}, images({3, 2, 8, 9}), {3, 10}},
      {"resnet18", job::ResNet{18, 1, 10, cifar}, images({2, 1, 16, 16}), {2, 10}},
      {"resnet50", job::ResNet{50, 3, 7, job::Stem::imagenet}, images({2, 3, 64, 64}), {2, 7}},
      {"gpt", job::Gpt{50, 16, 2, 2, 8, 0.1, true}, tokens(3, 9, 50), {3, 9, 50}},
      {"gpt_without_bias", job::Gpt{50, 16, 1, 2, 8, 0, false}, tokens(3, 16, 50), {3, 16, 50}},
      {"encoder", job::Encoder{50, 16, 2, 2, 8, 4, 0.1}, tokens(3, 9, 50), {3, 4}},
  };
}

class ModelZoo : public testing::Test {
 protected:
  static void SetUpTestSuite() { configure_torch(1); }
};

// Output, gradients and buffers of one seeded step.
std::vector<NamedTensor> step(Trainable& network, const at::Tensor& input, std::uint64_t seed) {
  at::manual_seed(seed);
  for (const auto& item : network.parameters()) item.tensor.mutable_grad().reset();
  const at::Tensor output = network.forward({input});
  output.square().mean().backward();
  std::vector<NamedTensor> result{{"output", output.detach()}};
  for (const auto& [name, tensor] : network.parameters()) result.push_back({name, tensor.grad().clone()});
  for (const auto& [name, tensor] : network.buffers()) result.push_back({name, tensor.clone()});
  return result;
}

TEST_F(ModelZoo, ShapesAndGradients) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const auto network = make_zoo(c.spec, 1);
    EXPECT_EQ(network->forward({c.input}).sizes().vec(), c.output);
    for (const auto& [name, tensor] : step(*network, c.input, 3)) {
      EXPECT_TRUE(tensor.isfinite().all().item<bool>()) << name;
      EXPECT_TRUE(tensor.abs().max().item<double>() > 0) << name;
    }
    names(network->parameters());
  }
}

TEST_F(ModelZoo, ParametersAreAFunctionOfTheSeed) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    at::manual_seed(1);
    const auto first = make_zoo(c.spec, 5);
    at::manual_seed(2);
    const auto again = make_zoo(c.spec, 5);
    const auto other = make_zoo(c.spec, 6);
    EXPECT_TRUE(same_bits(first->parameters(), again->parameters()));
    EXPECT_TRUE(same_bits(first->buffers(), again->buffers()));
    EXPECT_FALSE(same_bits(first->parameters(), other->parameters()));
    // The process's own generator was left alone.
    const at::Tensor drawn = at::rand({4});
    at::manual_seed(2);
    EXPECT_TRUE(same_bits(drawn, at::rand({4})));
  }
}

TEST_F(ModelZoo, AStepIsAFunctionOfTheSeed) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const auto first = make_zoo(c.spec, 5);
    const auto result = step(*first, c.input, 9);
    const auto second = make_zoo(c.spec, 5);
    EXPECT_TRUE(same_bits(result, step(*second, c.input, 9)));
    const auto third = make_zoo(c.spec, 5);
    // Where there is dropout, another seed is another result; where there is none, the seed does not matter.
    const bool random = std::visit(
        [](const auto& spec) {
          if constexpr (requires { spec.hidden; })
            return spec.dropout > 0 && !spec.hidden.empty();
          else if constexpr (requires { spec.dropout; })
            return spec.dropout > 0;
          else
            return false;
        },
        c.spec);
    EXPECT_EQ(same_bits(result, step(*third, c.input, 10)), !random);
  }
}

// How a sum is split over threads decides on its bits, so the number is fixed, and the same number gives the same bits.
TEST_F(ModelZoo, TwoThreadsGiveTheSameBitsEachTime) {
  configure_torch(2);
  const job::Zoo resnet = job::ResNet{18, 3, 10, job::Stem::cifar};
  const job::Zoo gpt = job::Gpt{500, 64, 2, 4, 64, 0.1, true};
  const job::Zoo encoder = job::Encoder{500, 64, 2, 4, 64, 4, 0.1};
  const std::vector<std::pair<job::Zoo, at::Tensor>> large{
      {resnet, images({4, 3, 16, 16})}, {gpt, tokens(2, 64, 500)}, {encoder, tokens(2, 64, 500)}};
  for (const auto& [spec, input] : large) {
    const auto first = make_zoo(spec, 5);
    const auto expected = step(*first, input, 9);
    const auto again = make_zoo(spec, 5);
    EXPECT_TRUE(same_bits(expected, step(*again, input, 9))) << first->name();
  }
  configure_torch(1);
}

TEST_F(ModelZoo, EvaluationHasNoDropoutAndMovesNoBuffer) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const auto network = make_zoo(c.spec, 5);
    network->train(false);
    const auto first = step(*network, c.input, 1);
    EXPECT_TRUE(same_bits(first, step(*network, c.input, 2)));
    network->train(true);
    for (const auto& [name, tensor] : step(*network, c.input, 1)) {
      if (name.ends_with("running_mean")) {
        EXPECT_GT(tensor.abs().max().item<float>(), 0) << name;
      }
    }
  }
}

// As the trainer uses it: all parameters and all gradients are views of one buffer each.
TEST_F(ModelZoo, ParametersMayBecomeViewsOfOneBuffer) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const auto plain = make_zoo(c.spec, 5);
    const auto expected = step(*plain, c.input, 9);
    const auto network = make_zoo(c.spec, 5);
    const at::Tensor flat = at::zeros(count(*network));
    const at::Tensor gradients = at::zeros(count(*network));
    std::int64_t offset = 0;
    for (const auto& item : network->parameters()) {
      const auto part = [&](const at::Tensor& buffer) {
        return buffer.narrow(0, offset, item.tensor.numel()).view(item.tensor.sizes());
      };
      part(flat).copy_(item.tensor.detach());
      item.tensor.set_data(part(flat));
      item.tensor.mutable_grad() = part(gradients);
      offset += item.tensor.numel();
    }
    at::manual_seed(9);
    const at::Tensor output = network->forward({c.input});
    output.square().mean().backward();
    EXPECT_TRUE(same_bits(output.detach(), expected[0].tensor));
    std::vector<at::Tensor> all;
    for (std::size_t i = 0; i < network->parameters().size(); ++i) all.push_back(expected[i + 1].tensor.flatten());
    EXPECT_TRUE(same_bits(gradients, at::cat(all)));
    flat.zero_();
    network->train(false);
    EXPECT_EQ(network->forward({c.input}).detach().abs().max().item<float>(), 0);
  }
}

TEST_F(ModelZoo, ResNetsAreTorchvisions) {
  const std::map<int, std::int64_t> known{{18, 11'689'512}, {34, 21'797'672}, {50, 25'557'032}};
  for (const auto& [depth, parameters] : known)
    EXPECT_EQ(count(*make_zoo(job::ResNet{depth, 3, 1000, job::Stem::imagenet}, 1)), parameters) << depth;
  const auto network = make_zoo(job::ResNet{}, 1);
  const auto parameters = names(network->parameters());
  EXPECT_EQ(parameters.size(), 62U);
  for (const char* name : {"conv1.weight", "bn1.bias", "layer1.0.conv1.weight", "layer2.0.downsample.0.weight",
                           "layer2.0.downsample.1.bias", "layer4.1.bn2.weight", "fc.weight", "fc.bias"})
    EXPECT_TRUE(parameters.contains(name)) << name;
  const auto buffers = names(network->buffers());
  EXPECT_EQ(buffers.size(), 60U);
  for (const char* name : {"bn1.running_mean", "layer2.0.downsample.1.running_var", "layer4.1.bn2.num_batches_tracked"})
    EXPECT_TRUE(buffers.contains(name)) << name;
}

TEST_F(ModelZoo, GptIsGpt2) {
  const auto network = make_zoo(job::Gpt{50257, 1024, 12, 12, 768, 0, true}, 1);
  EXPECT_EQ(count(*network), 124'439'808);
  const auto parameters = names(network->parameters());
  EXPECT_EQ(parameters.size(), 148U);
  for (const char* name :
       {"transformer.wte.weight", "transformer.wpe.weight", "transformer.h.0.ln_1.weight",
        "transformer.h.11.attn.c_attn.bias", "transformer.h.11.mlp.c_proj.weight", "transformer.ln_f.bias"})
    EXPECT_TRUE(parameters.contains(name)) << name;
  for (const auto& [name, tensor] : network->parameters()) {
    if (tensor.dim() < 2) continue;
    const bool is_residual = name.ends_with("c_proj.weight");
    EXPECT_NEAR(tensor.detach().std().item<double>(), is_residual ? 0.02 / std::sqrt(24.0) : 0.02, 1e-4) << name;
  }
}

TEST_F(ModelZoo, GptSeesNoTokenToCome) {
  const auto network = make_zoo(job::Gpt{50, 16, 2, 2, 8, 0, true}, 1);
  const at::Tensor input = tokens(1, 9, 50);
  const at::Tensor before = network->forward({input}).detach();
  input[0][6] = 49;
  const at::Tensor after = network->forward({input}).detach();
  EXPECT_TRUE(at::allclose(before.narrow(1, 0, 6), after.narrow(1, 0, 6)));
  EXPECT_FALSE(at::allclose(before.narrow(1, 6, 3), after.narrow(1, 6, 3)));
}

TEST_F(ModelZoo, EncoderDoesNotSeePadding) {
  const auto network = make_zoo(job::Encoder{50, 16, 2, 2, 8, 4, 0}, 1);
  const at::Tensor input = tokens(2, 9, 49).add(1);
  const at::Tensor padded = at::constant_pad_nd(input, {0, 5});
  EXPECT_TRUE(at::allclose(network->forward({input}), network->forward({padded}), 1e-4, 1e-5));
  // The row of the padding token neither counts nor learns; a record of padding alone stays finite.
  padded[0].zero_();
  const auto result = step(*network, padded, 1);
  for (const auto& [name, tensor] : result) EXPECT_TRUE(tensor.isfinite().all().item<bool>()) << name;
  EXPECT_EQ(result[1].name, "embedding.weight");
  EXPECT_EQ(result[1].tensor[0].abs().max().item<float>(), 0);
}

TEST_F(ModelZoo, WhatItIsGivenIsChecked) {
  const auto said = [](const job::Zoo& spec, const std::vector<at::Tensor>& inputs, const std::string& part) {
    const std::string message = model_error([&] { make_zoo(spec, 1)->forward(inputs); });
    EXPECT_NE(message.find(part), std::string::npos) << "in: " << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  };
  said(job::Mlp{12, {}, 3}, {images({5, 11})}, "takes 12 values a record");
  said(job::Mlp{12, {}, 3}, {images({5, 12}), images({5, 12})}, "takes one input");
  said(job::Mlp{12, {}, 3}, {tokens(5, 12, 9)}, "does not take what the job gives it");
  said(job::Cnn{1, {4, 4, 4, 4}, 3}, {images({2, 1, 8, 8})}, "list fewer channels");
  said(job::Cnn{3, {4}, 3}, {images({2, 1, 8, 8})}, "takes images, [batch, 3, height, width]");
  said(job::ResNet{18, 3, 10}, {images({2, 8, 8})}, "takes images, [batch, 3, height, width]");
  said(job::ResNet{19, 3, 10}, {}, "there is no resnet19");
  said(job::Gpt{50, 8, 1, 2, 8}, {tokens(1, 9, 50)}, "takes at most 8 tokens a record, and the job gives it 9");
  said(job::Gpt{50, 8, 1, 2, 8}, {tokens(1, 8, 50).add(10)}, "takes tokens from 0 to 49, and a record has 59");
  said(job::Gpt{50, 8, 1, 2, 8}, {tokens(1, 8, 50).sub(1)}, "takes tokens from 0 to 49, and a record has -1");
  said(job::Gpt{50, 8, 1, 2, 8}, {images({1, 8})}, "takes integer tokens");
  said(job::Gpt{50, 8, 1, 3, 8}, {}, "cannot split its width 8 among 3 heads");
  said(job::Encoder{50, 8, 1, 3, 8}, {}, "cannot split its width 8 among 3 heads");
}

}  // namespace
}  // namespace shardmill::model
