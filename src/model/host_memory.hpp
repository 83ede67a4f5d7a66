// Memory for tensors on the CPU that is kept and used again, instead of going back to the system after each operator.
//
// A forward pass asks for the same sizes each time. The C library maps large blocks anew (and in threads other than the
// first all beyond 32 MiB), so that the kernel clears each page of each activation: on a ResNet-18 that was a fifth of
// the time. Large blocks are put on huge pages besides.
#pragma once

#include <cstddef>

namespace shardmill::model {

// Makes this the allocator of all CPU tensors of the process; before any tensor is made, from one thread. Blocks are
// aligned to 64 bytes. What is used and what lies free are together never more than twice what was in use at the peak:
// a network whose layers have different sizes needs a block for each size, though not at the same time. The C library
// is told to keep what is freed as well, for what operators ask of it directly. Not in builds with AddressSanitizer,
// which could not see a use after free.
void keep_host_memory();

// For tests and reports. In bytes; blocks below the size that is kept do not count.
struct HostMemory {
  std::size_t used = 0;
  std::size_t free = 0;
  std::size_t peak_used = 0;
  std::size_t mapped = 0;  // taken from the system so far
};
HostMemory host_memory();

}  // namespace shardmill::model
