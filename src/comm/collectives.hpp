// Collective operations among all ranks, behind one interface: MPI on host memory, NCCL on GPU memory.
//
// Every call is collective: all ranks make the same calls in the same order. A call that fails throws RankLost, and the
// object must not be used again: a new one is made among the ranks that are left. Inference uses none of these.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>

#include "comm/world.hpp"
#include "job/dtype.hpp"

namespace shardmill::comm {

// Bytes to or from one other rank.
struct Transfer {
  int peer = 0;
  void* data = nullptr;
  std::size_t bytes = 0;
};

// One thread. Buffers are host memory for MPI and device memory for NCCL, and are ready when a call returns.
class Collectives {
 public:
  virtual ~Collectives() = default;
  virtual void broadcast(void* data, std::size_t bytes, int root) = 0;
  // Element-wise sum in place, in no fixed order: fast, but the bits may depend on the number of ranks. float32,
  // float64, int32, int64; NCCL also float16 and bfloat16.
  virtual void all_reduce_sum(void* data, std::size_t count, DType dtype) = 0;
  // all: size() * bytes, in the order of the ranks.
  virtual void all_gather(const void* mine, std::size_t bytes, void* all) = 0;
  // All at once; between two ranks at most one transfer each way.
  virtual void exchange(std::span<const Transfer> sends, std::span<const Transfer> receives) = 0;
};

std::unique_ptr<Collectives> make_mpi_collectives(World& world);

// Throws RankLost if this build has no NCCL, if the library loaded is not of the version compiled against, or if not
// all ranks come together within `deadline`. A call that takes longer than `deadline` (a rank is gone, which NCCL does
// not notice) aborts the communicator and throws RankLost. Method: non-blocking communicators, NVIDIA NCCL User Guide,
// "Fault tolerance".
std::unique_ptr<Collectives> make_nccl_collectives(World& world, int device, std::chrono::milliseconds deadline);

}  // namespace shardmill::comm
