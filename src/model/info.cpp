#include "model/info.hpp"

#include <ATen/Context.h>
#include <torch/headeronly/version.h>

namespace shardmill::model {

TorchInfo torch_info() {
  TorchInfo info;
  info.version = TORCH_VERSION;
  info.built_with_cuda = at::hasCUDA();
  if (info.built_with_cuda) info.gpus = static_cast<int>(at::detail::getCUDAHooks().deviceCount());
  return info;
}

}  // namespace shardmill::model
