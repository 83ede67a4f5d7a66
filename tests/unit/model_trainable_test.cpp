// TorchScript modules in training mode.
#include <map>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include "model/model.hpp"
#include "model/trainable.hpp"
#include "model_files.hpp"

namespace shardmill::model {
namespace {

using namespace test;

class ModelTrainable : public testing::Test {
 protected:
  static void SetUpTestSuite() { configure_torch(1); }

  // x @ inner.weight, then BatchNorm and dropout, then the same weight again (tied).
  std::filesystem::path saved(bool tied = true, at::ScalarType type = at::kFloat, bool trains = true) {
    torch::jit::Module inner("Inner");
    torch::jit::Module module("Made");
    const at::Tensor weight = at::arange(16, at::kFloat).reshape({4, 4}).sin().to(type).set_requires_grad(trains);
    inner.register_parameter("weight", weight, false);
    inner.register_buffer("mean", at::zeros({4}));
    inner.register_buffer("var", at::ones({4}));
    inner.register_attribute("training", c10::BoolType::get(), true);
    inner.define(
        "def forward(self, x):\n"
        "  x = torch.batch_norm(x @ self.weight, None, None, self.mean, self.var, self.training, 0.1, 1e-5, False)\n"
        "  return torch.dropout(x, 0.5, self.training)\n");
    module.register_module("inner", inner);
    module.register_parameter("last", tied ? weight : weight.detach().clone().set_requires_grad(trains), false);
    module.define("def forward(self, x):\n  return self.inner.forward(x) @ self.last, x\n");
    module.eval();
    module.save(path_.string());
    return path_;
  }

  TempFolder folder_;
  std::filesystem::path path_ = folder_ / "m.pt";
  at::Tensor input_ = at::arange(12, at::kFloat).reshape({3, 4}).cos();
};

TEST_F(ModelTrainable, NamesModesAndSeeds) {
  const auto network = load_trainable(saved(false));
  ASSERT_EQ(network->parameters().size(), 2U);
  EXPECT_EQ(network->parameters()[0].name, "last");
  EXPECT_EQ(network->parameters()[1].name, "inner.weight");
  ASSERT_EQ(network->buffers().size(), 2U);
  EXPECT_EQ(network->buffers()[0].name, "inner.mean");
  EXPECT_EQ(network->name(), path_.string());

  const auto once = [&](std::uint64_t seed) {
    at::manual_seed(seed);
    const at::Tensor output = network->forward({input_});
    EXPECT_TRUE(output.requires_grad());
    return output.detach();
  };
  const at::Tensor first = once(1);
  EXPECT_TRUE(at::equal(first, once(1)));
  EXPECT_FALSE(at::equal(first, once(2)));
  EXPECT_GT(network->buffers()[0].tensor.abs().max().item<float>(), 0);
  network->train(false);
  EXPECT_TRUE(at::equal(once(1), once(2)));
}

TEST_F(ModelTrainable, TiedWeightsStayTied) {
  const auto network = load_trainable(saved());
  ASSERT_EQ(network->parameters().size(), 1U);
  EXPECT_EQ(network->aliases(), (std::map<std::string, std::string>{{"inner.weight", "last"}}));
  network->train(false);
  const at::Tensor& weight = network->parameters()[0].tensor;
  const at::Tensor flat = at::zeros(16);
  weight.set_data(flat.view({4, 4}));
  weight.mutable_grad() = at::zeros({4, 4});
  flat.copy_(at::eye(4).flatten() * 2);  // twice the input, and twice again
  EXPECT_TRUE(at::allclose(network->forward({input_}), input_ * 4, 1e-4));
  const at::Tensor output = network->forward({input_});
  output.sum().backward();
  // d/dw of sum(x w w) at w = 2: both uses count.
  const at::Tensor one = input_.sum(0).unsqueeze(1).expand({4, 4}) * 2;
  EXPECT_TRUE(at::allclose(weight.grad(), one * 2, 1e-3)) << weight.grad();
}

TEST_F(ModelTrainable, WhatCannotBeTrained) {
  const auto said = [](const std::filesystem::path& path, const std::string& part) {
    const std::string message = model_error([&] { load_trainable(path); });
    EXPECT_NE(message.find(part), std::string::npos) << "in: " << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  };
  said(saved(true, at::kFloat, false), "has no parameters that can be trained");
  said(saved(true, at::kDouble), "of type Double, and training takes float32");
  said(folder_ / "none.pt", "cannot be loaded as TorchScript");
  auto module = torch::jit::load(saved().string());
  torch::jit::freeze(module).save(path_.string());
  said(path_, "without torch.jit.freeze");
  const auto network = load_trainable(saved());
  EXPECT_NE(model_error([&] {
              network->forward({at::zeros({3, 5})});
            }).find("does not take what the job gives it"),
            std::string::npos);
}

}  // namespace
}  // namespace shardmill::model
