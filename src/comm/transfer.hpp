// Bytes to or from one other rank.
#pragma once

#include <cstddef>

namespace shardmill::comm {

struct Transfer {
  int peer = 0;  // rank of the World
  void* data = nullptr;
  std::size_t bytes = 0;
};

}  // namespace shardmill::comm
