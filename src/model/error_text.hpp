// What LibTorch says, as one line that a user can act on.
#pragma once

#include <exception>
#include <string>
#include <vector>

#include <ATen/core/TensorBody.h>

namespace shardmill::model {

// Without stack traces, of C++ or TorchScript, and at most some hundred characters.
std::string useful_line(const std::exception& error);

// "float32 [8, 3, 32, 32] and int64 [8]"
std::string describe(const std::vector<at::Tensor>& tensors);

// Why a forward pass failed: out of memory, or inputs that the model does not take.
std::string forward_failed(const std::string& path, const std::vector<at::Tensor>& inputs, const std::exception& error);

}  // namespace shardmill::model
