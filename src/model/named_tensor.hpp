#pragma once

#include <string>

#include <ATen/core/Tensor.h>

namespace shardmill::model {

struct NamedTensor {
  std::string name;
  at::Tensor tensor;
};

}  // namespace shardmill::model
