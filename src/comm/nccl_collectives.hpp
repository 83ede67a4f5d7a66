// NCCL among the GPUs of ranks that work together.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "comm/collectives.hpp"

namespace shardmill::comm {

// The GPU as NCCL tells it from others: two ranks of a group must have two. Empty if this build has no NCCL, if the
// loaded library is not the one that was compiled against, or if there is no such GPU.
std::string nccl_place(int device);

using NcclId = std::array<char, 128>;
// Made by one rank and given to all of a group. Throws RankLost.
NcclId make_nccl_id();

struct NcclGroup {
  NcclId id{};
  std::vector<int> ranks;  // of the World, in the same order on all
  int me = 0;              // this one's index in it
  int device = 0;
  std::chrono::milliseconds deadline{};  // for each call
  // Asked all the while that a call waits: a rank is lost, which NCCL does not notice by itself.
  std::function<bool()> is_lost;
  // The communicator could not be aborted in 10 s, so that the GPU may still write into the group's vectors. It must
  // not return: the process is to end. No MPI call is under way in this thread.
  std::function<void()> on_stuck;
};

// Collective over the group; from any thread, which is then the only one to use it. Throws RankLost, as its calls do,
// if is_lost says so, if NCCL fails, or if a call takes longer than the deadline; the communicator is then aborted, and
// no buffer is in use any more.
// Method: non-blocking communicators, polled and aborted: NVIDIA NCCL User Guide, "Fault Tolerance".
std::unique_ptr<Collectives> make_nccl_collectives(const NcclGroup& group);

}  // namespace shardmill::comm
