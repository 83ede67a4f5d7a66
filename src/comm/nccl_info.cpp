#include "comm/nccl_info.hpp"

#ifdef SHARDMILL_WITH_CUDA
#include <nccl.h>
#endif

namespace shardmill::comm {

#ifdef SHARDMILL_WITH_CUDA
namespace {
// NCCL's own code for a version since 2.9: major * 10000 + minor * 100 + patch.
std::string text_of(int code) {
  return std::to_string(code / 10000) + "." + std::to_string(code / 100 % 100) + "." + std::to_string(code % 100);
}
}  // namespace

NcclInfo nccl_info() {
  int loaded = 0;
  ncclGetVersion(&loaded);
  return {true, text_of(NCCL_VERSION_CODE), text_of(loaded)};
}
#else
NcclInfo nccl_info() { return {}; }
#endif

}  // namespace shardmill::comm
