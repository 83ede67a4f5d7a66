// What passes between the stages of the pipeline.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "comm/messages.hpp"

namespace shardmill::infer {

// A lease that this rank holds. Rows count from the shard's first record.
struct HeldLease {
  comm::Lease lease;
  std::int64_t first_record = 0;
  std::int64_t rows = 0;
  std::chrono::steady_clock::time_point taken;
  std::atomic<bool> revoked{false};
};
using LeasePtr = std::shared_ptr<HeldLease>;

// Rows [row, row + count) of a shard, on their way through. `last` ends the lease, in one of three ways: all its rows
// have passed; it was revoked (abandoned); or it cannot go on (failure).
struct Batch {
  LeasePtr lease;
  std::int64_t row = 0;
  std::int64_t count = 0;
  bool last = false;
  bool abandoned = false;
  std::string failure;
  std::vector<at::Tensor> tensors;   // [count, ...]: the inputs, and behind the model the outputs
  std::vector<comm::BadRecord> bad;  // rows of the shard
};

}  // namespace shardmill::infer
