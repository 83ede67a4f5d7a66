// What LibTorch is and sees; free of its headers, for rooms that only report it.
#pragma once

#include <string>

namespace shardmill::model {

struct TorchInfo {
  std::string version;
  bool built_with_cuda = false;
  int gpus = 0;
};
TorchInfo torch_info();

}  // namespace shardmill::model
