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

  // From any thread. Revoked is for good.
  bool revoked() const { return word_ == revoked_word; }
  void revoke() {
    word_ = revoked_word;
    word_.notify_all();
  }
  // The batch at `row` may begin.
  void proceed(std::int64_t row) {
    std::int64_t word = word_;
    while (word != revoked_word && !word_.compare_exchange_weak(word, row)) {
    }
    word_.notify_all();
  }
  // Returns once that has been said, or the lease is revoked.
  void wait_for(std::int64_t row) const {
    for (std::int64_t word = word_; word != row && word != revoked_word; word = word_) word_.wait(word);
  }

 private:
  static constexpr std::int64_t no_word = -1;
  static constexpr std::int64_t revoked_word = -2;
  std::atomic<std::int64_t> word_{no_word};
};
using LeasePtr = std::shared_ptr<HeldLease>;

// The records at places [row, row + count) of a shard, on their way through: its rows, or with batch_by: length those
// of like length. `last` ends the lease, in one of three ways: all its rows have passed; it was revoked (abandoned); or
// it cannot go on (failure).
struct Batch {
  LeasePtr lease;
  std::int64_t row = 0;
  std::int64_t count = 0;
  std::vector<std::int64_t> rows;  // which rows of the shard these are; empty: row, row + 1, ...
  bool last = false;
  bool abandoned = false;
  std::string failure;
  std::vector<at::Tensor> tensors;   // [count, ...]: the inputs, and behind the model the outputs
  std::vector<comm::BadRecord> bad;  // rows of the shard

  // Somebody waits until it is durable.
  bool urgent() const { return last || lease->lease.again != 0; }
  std::size_t bytes() const {
    std::size_t sum = 0;
    for (const at::Tensor& tensor : tensors) sum += tensor.nbytes();
    return sum;
  }
};

}  // namespace shardmill::infer
