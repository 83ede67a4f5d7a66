// How ranks that work together bring their vectors together, whatever carries them.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "comm/transfer.hpp"
#include "job/error.hpp"

namespace shardmill::comm {

// One thread. Every call is collective over the group that it was made for: all make the same calls in the same order.
// A call that throws ends it: a new one is made among the ranks that are left.
class Collectives {
 public:
  virtual ~Collectives() = default;
  virtual std::string name() const = 0;  // "MPI", "NCCL 2.28.9"
  // All at once. The buffers lie where the group's vectors lie (host memory, the GPU's), whole when it begins and when
  // it returns. Between two ranks transfers match in the order in which they are given.
  virtual void exchange(std::span<const Transfer> sends, std::span<const Transfer> receives) = 0;
  // Adds the vectors of all, of float32, in place and in no fixed order: the bits may depend on the number of ranks.
  // Only where can_reduce(): elsewhere there is no better way than by exchange().
  virtual void all_reduce_sum(float* /*data*/, std::size_t /*count*/) {
    SHARDMILL_CHECK(false, "a reduction that there is not");
  }
  virtual bool can_reduce() const { return false; }
};

}  // namespace shardmill::comm
