#include "model/packed_linear.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/library.h>

namespace shardmill::model {
namespace {

using torch::jit::Block;
using torch::jit::Node;
using torch::jit::Value;

// Multiplications below which at::linear is faster: a call of oneDNN's costs about 10 us more. Measured on processors
// with AVX-512, with layers of 7 to 1536 inputs and batches of 1 to 1024.
constexpr std::int64_t worth_it = std::int64_t{1} << 19;

at::Tensor activated(at::Tensor x, c10::string_view activation, c10::string_view approximation) {
  if (activation == "relu") return at::relu_(x);
  if (activation == "gelu") return at::gelu(x, approximation);
  return x;
}

// x: [..., inputs]; packed: `weight` [outputs, inputs] as oneDNN wants it. Without a weight all goes by oneDNN.
at::Tensor linear(const at::Tensor& x, const at::Tensor& packed, const std::optional<at::Tensor>& weight,
                  const std::optional<at::Tensor>& bias, c10::string_view activation, c10::string_view approximation) {
  const std::int64_t inputs = packed.size(1);
  const std::int64_t outputs = packed.size(0);
  if (weight && (x.numel() * outputs < worth_it || x.scalar_type() != weight->scalar_type()))
    return activated(at::linear(x, *weight, bias), activation, approximation);
  static const auto by_onednn =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("mkldnn::_linear_pointwise", "")
          .typed<at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, c10::string_view,
                            c10::List<std::optional<at::Scalar>>, std::optional<c10::string_view>)>();
  std::vector<std::int64_t> shape = x.sizes().vec();
  TORCH_CHECK(!shape.empty() && shape.back() == inputs, "a linear layer of ", inputs,
              " inputs cannot take a tensor of ", x.sizes());
  shape.back() = outputs;
  // oneDNN's relu makes 0 of a NaN, and a record that cannot be computed would look like any other.
  const bool fused = activation != "relu";
  at::Tensor y = by_onednn.call(x.reshape({-1, inputs}), packed, bias, fused ? activation : "none",
                                c10::List<std::optional<at::Scalar>>(), approximation);
  return (fused ? y : activated(y, activation, approximation)).view(shape);
}

TORCH_LIBRARY(shardmill, library) {
  library.def(
      "linear(Tensor x, Tensor packed, Tensor? weight, Tensor? bias, str activation, str approximation) -> Tensor",
      linear);
}

std::optional<at::Tensor> constant_tensor(Value* value) {
  const auto constant = torch::jit::toIValue(value);
  if (!constant || !constant->isTensor()) return std::nullopt;
  return constant->toTensor();
}

bool is_none(Value* value) {
  const auto constant = torch::jit::toIValue(value);
  return constant && constant->isNone();
}

// The activation that alone uses this value: its node, name and approximation.
struct Activation {
  Node* node = nullptr;
  std::string name = "none";
  std::string approximation = "none";
};

Activation activation_behind(Value* value) {
  if (value->uses().size() != 1) return {};
  Node* user = value->uses().front().user;
  const std::string kind = user->kind().toQualString();
  if (kind == "aten::relu" || kind == "aten::relu_") return {user, "relu", "none"};
  if (kind != "aten::gelu") return {};
  const auto approximation = torch::jit::toIValue(user->input(1));
  if (!approximation || !approximation->isString()) return {};
  return {user, "gelu", approximation->toStringRef()};
}

at::Tensor packed_for_onednn(const at::Tensor& weight) {
  static const auto pack = c10::Dispatcher::singleton()
                               .findSchemaOrThrow("mkldnn::_reorder_linear_weight", "")
                               .typed<at::Tensor(const at::Tensor&, std::optional<c10::SymInt>)>();
  return pack.call(weight, std::nullopt);
}

bool can_be_packed(const at::Tensor& weight) {
  return weight.is_cpu() && weight.dim() == 2 && weight.numel() > 0 && weight.scalar_type() == at::kFloat;
}

void rewrite(Node* node) {
  const auto weight = constant_tensor(node->input(1));
  const bool constant_bias = is_none(node->input(2)) || constant_tensor(node->input(2));
  if (!weight || !constant_bias || !can_be_packed(*weight)) return;
  torch::jit::Graph& graph = *node->owningGraph();
  const torch::jit::WithInsertPoint here(node);
  // oneDNN's own layout has no storage, which an ordinary constant has to have.
  Node* packed = graph.insertNode(graph.create(c10::Symbol::fromQualString("prim::ConstantMKLDNNTensor")));
  packed->t_(torch::jit::attr::value, packed_for_onednn(*weight));
  // A large layer is never left to at::linear: its weights need not be kept twice.
  Value* plain = weight->numel() < worth_it ? node->input(1) : graph.insertConstant(c10::IValue());
  const Activation activation = activation_behind(node->output());
  Node* linear = graph.insertNode(
      graph.create(c10::Symbol::fromQualString("shardmill::linear"),
                   {node->input(0), packed->output(), plain, node->input(2), graph.insertConstant(activation.name),
                    graph.insertConstant(activation.approximation)}));
  Node* last = activation.node != nullptr ? activation.node : node;
  linear->output()->setType(last->output()->type());
  last->output()->replaceAllUsesWith(linear->output());
  if (activation.node != nullptr) activation.node->destroy();
  node->destroy();
}

void rewrite(Block* block) {
  std::vector<Node*> linear;
  for (Node* node : block->nodes()) {
    for (Block* inner : node->blocks()) rewrite(inner);
    if (node->kind() == c10::Symbol::fromQualString("aten::linear")) linear.push_back(node);
  }
  for (Node* node : linear) rewrite(node);
}

}  // namespace

void pack_linear_layers(torch::jit::Module& module) {
  if (!at::hasMKLDNN()) return;
  rewrite(module.get_method("forward").graph()->block());
}

}  // namespace shardmill::model
