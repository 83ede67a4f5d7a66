// Linear layers by oneDNN, their weights laid out once for it, with gelu behind them in the same kernel.
#pragma once

#include <torch/csrc/jit/api/module.h>

namespace shardmill::model {

// Rewrites the linear layers of a frozen module on the CPU, in place: aten::linear with constant weights, and a relu or
// gelu that alone uses what it gives, become one operator. Small products (a few records, narrow layers) stay with
// at::linear, whose calls cost less; which it is depends on the shapes alone. Results differ from at::linear's in the
// last bits. Leaves the module as it is where LibTorch has no oneDNN. Before threads use the module.
void pack_linear_layers(torch::jit::Module& module);

}  // namespace shardmill::model
