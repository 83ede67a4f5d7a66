// TorchScript modules between the files that load them.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <torch/csrc/jit/api/module.h>

#include "model/model.hpp"
#include "model/named_tensor.hpp"

namespace shardmill::model {

// The module in the file, on the CPU, with these weights in place of its own (model/weights.hpp, where `source` is).
// Throws ModelError.
torch::jit::Module trained_script(const std::filesystem::path& path, std::vector<NamedTensor> weights,
                                  const std::string& source);

// The module made fast, as load_torchscript() makes one; spec.path is for messages.
std::unique_ptr<Model> make_torchscript(torch::jit::Module module, const job::Model& spec, at::Device device);

}  // namespace shardmill::model
