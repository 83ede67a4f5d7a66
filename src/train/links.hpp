// What carries the vectors of the ranks that share a step.
#pragma once

#include <chrono>
#include <memory>

#include <ATen/core/TensorBody.h>

#include "comm/collectives.hpp"
#include "comm/messages.hpp"
#include "job/job.hpp"
#include "train/desk.hpp"
#include "train/float_space.hpp"

namespace shardmill::train {

// Over MPI, by the clerk; vectors in host memory. Its calls throw Interrupted.
std::unique_ptr<comm::Collectives> make_host_link(Desk& desk);

// The same for vectors in a device's memory, which are copied to the host and back: for ranks that share a GPU, and
// without NCCL. What is sent and received is the same as over a host link, with which it goes together.
std::unique_ptr<comm::Collectives> make_staged_link(Desk& desk, at::Device device);

// What the members of this deal use, for vectors in the device's memory: NCCL if the job and the build allow it and
// each member has a GPU to itself, else MPI. Collective over the members, who all decide alike. Throws Interrupted, and
// ModelError if the job asks for NCCL and it cannot be.
std::unique_ptr<comm::Collectives> make_link(Desk& desk, const comm::Deal& deal, int rank, const job::Job& job,
                                             at::Device device);

}  // namespace shardmill::train
