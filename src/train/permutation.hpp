// A shuffle without a table: a keyed bijection of [0, count), any element of which is found in O(1).
#pragma once

#include <array>
#include <cstdint>

namespace shardmill::train {

// A Feistel network (Luby and Rackoff, 1988) over the smallest power of two that holds `count`, walked until it comes
// back below `count` (Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002; on average less than two
// evaluations). Its round function is the finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). The same use
// for shuffling: Mitchell et al., "Bandwidth-optimal random shuffling for GPUs", ACM TOPC 2022.
//
// The same for the same (seed, stream, count) on every machine. Immutable: any thread.
class Permutation {
 public:
  // `stream` tells permutations of one seed apart (an epoch, for example). count >= 0.
  Permutation(std::uint64_t seed, std::uint64_t stream, std::int64_t count);

  std::int64_t count() const { return count_; }
  // 0 <= i < count().
  std::int64_t at(std::int64_t i) const;

 private:
  static constexpr int rounds = 16;

  std::int64_t count_;
  int right_bits_ = 0;
  std::uint64_t left_mask_ = 0;
  std::uint64_t right_mask_ = 0;
  std::array<std::uint64_t, rounds> keys_{};
};

}  // namespace shardmill::train
