// Random numbers that depend on their counter alone, not on what was drawn before: who reads a record, when and in
// which order does not change them.
#pragma once

#include <array>
#include <cstdint>

#include "job/philox.hpp"

namespace shardmill::train {

using job::philox4x32;

// The draws that belong to one record in one epoch. One thread at a time.
class RecordRandom {
 public:
  RecordRandom(std::uint64_t seed, std::int64_t epoch, std::int64_t record);

  std::uint32_t next();
  // In [0, 1), of 32 bits.
  double uniform();
  // In [0, bound), each with the same probability (Lemire, "Fast random integer generation in an interval", 2019).
  // bound > 0.
  std::uint32_t below(std::uint32_t bound);

 private:
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> words_{};
  std::size_t used_ = 4;
};

}  // namespace shardmill::train
