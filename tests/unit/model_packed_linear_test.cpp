#include <limits>
#include <string>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/frontend/resolver.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/freeze_module.h>

#include "model/packed_linear.hpp"

namespace shardmill::model {
namespace {

using torch::jit::Module;

// A frozen module with parameters w [outputs, inputs] and b [outputs].
Module frozen(std::int64_t inputs, std::int64_t outputs, const std::string& body) {
  Module module("M");
  module.register_parameter("w", at::randn({outputs, inputs}), false);
  module.register_parameter("b", at::randn({outputs}), false);
  module.define("def forward(self, x):\n" + body);
  module.eval();
  return torch::jit::freeze(module);
}

int count(const Module& module, const std::string& kind) {
  int found = 0;
  for (const auto* node : module.get_method("forward").graph()->nodes()) found += node->kind().toQualString() == kind;
  return found;
}

struct Case {
  const char* name;
  const char* body;
  int left;  // activations that stay nodes of their own
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

// A module as it was and packed: of a small layer, and of a large one.
struct Pair {
  std::int64_t inputs;
  Module plain;
  Module packed;
};

class PackedLinear : public testing::TestWithParam<Case> {
 protected:
  static std::vector<Pair> pairs() {
    std::vector<Pair> pairs;
    for (const auto& [inputs, outputs] : {std::pair<std::int64_t, std::int64_t>{64, 48}, {700, 800}}) {
      const Module plain = frozen(inputs, outputs, GetParam().body);
      pairs.push_back({inputs, plain, plain.clone()});
      pack_linear_layers(pairs.back().packed);
    }
    return pairs;
  }
};

// Few records go by at::linear, many by oneDNN, and so do few in a layer that is large enough.
TEST_P(PackedLinear, GivesWhatTheModuleGave) {
  const c10::InferenceMode inference(false);
  const at::NoGradGuard no_grad;
  for (auto& [inputs, plain, packed] : pairs()) {
    EXPECT_EQ(count(packed, "aten::linear"), 0);
    EXPECT_EQ(count(packed, "shardmill::linear"), 1);
    EXPECT_EQ(count(packed, "aten::relu") + count(packed, "aten::relu_") + count(packed, "aten::gelu"),
              GetParam().left);
    for (const std::vector<std::int64_t>& shape :
         {std::vector<std::int64_t>{2, inputs}, {400, inputs}, {5, 40, inputs}, {inputs}, {0, inputs}}) {
      const at::Tensor x = at::randn(shape);
      const at::Tensor expected = plain.forward({x}).toTensor();
      const at::Tensor y = packed.forward({x}).toTensor();
      ASSERT_EQ(y.sizes(), expected.sizes());
      EXPECT_TRUE(at::allclose(y, expected, 1e-4, 1e-4)) << "x is " << x.sizes();
    }
  }
}

// oneDNN's own relu makes 0 of a NaN, and a record that cannot be computed would look like any other.
TEST_P(PackedLinear, LosesNoNaN) {
  const c10::InferenceMode inference(false);
  const at::NoGradGuard no_grad;
  for (auto& [inputs, plain, packed] : pairs()) {
    for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
      const at::Tensor x = at::randn({400, inputs});
      x[7][3] = bad;
      const at::Tensor expected = plain.forward({x}).toTensor();
      EXPECT_TRUE(at::allclose(packed.forward({x}).toTensor(), expected, 1e-4, 1e-4, true)) << bad;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Bodies, PackedLinear,
    testing::Values(
        Case{"nothing behind it", "  return torch.linear(x, self.w, self.b)\n", 0},
        Case{"no bias", "  return torch.linear(x, self.w, None)\n", 0},
        Case{"relu", "  return torch.relu(torch.linear(x, self.w, self.b))\n", 0},
        Case{"relu in place", "  return torch.relu_(torch.linear(x, self.w, self.b))\n", 0},
        Case{"gelu", "  return torch.gelu(torch.linear(x, self.w, self.b))\n", 0},
        Case{"gelu by tanh", "  return torch.gelu(torch.linear(x, self.w, self.b), approximate='tanh')\n", 0},
        Case{"the sum is used too", "  y = torch.linear(x, self.w, self.b)\n  return torch.relu(y) + y\n", 1}));

TEST(PackedLinear, WeightsThatAreComputedStay) {
  Module module = frozen(8, 4, "  return torch.linear(x, self.w * x.sum(), self.b)\n");
  pack_linear_layers(module);
  EXPECT_EQ(count(module, "aten::linear"), 1);
  EXPECT_EQ(count(module, "shardmill::linear"), 0);
}

TEST(PackedLinear, AWrongShapeIsTold) {
  const at::NoGradGuard no_grad;
  Module module = frozen(700, 800, "  return torch.linear(x, self.w, self.b)\n");
  pack_linear_layers(module);
  EXPECT_THROW(module.forward({at::zeros({3, 699})}), std::exception);
}

}  // namespace
}  // namespace shardmill::model
