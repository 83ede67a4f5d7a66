#pragma once

#include <string>

namespace shardmill::comm {

struct NcclInfo {
  bool built_in = false;
  std::string compiled_version;  // "2.28.9"
  std::string loaded_version;
};
NcclInfo nccl_info();

}  // namespace shardmill::comm
