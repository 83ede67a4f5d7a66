#include "train/permutation.hpp"

#include <bit>

#include "job/error.hpp"

namespace shardmill::train {
namespace {

std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

}  // namespace

Permutation::Permutation(std::uint64_t seed, std::uint64_t stream, std::int64_t count) : count_(count) {
  SHARDMILL_CHECK(count >= 0, "a permutation of " + std::to_string(count));
  const int bits = count > 1 ? std::bit_width(static_cast<std::uint64_t>(count - 1)) : 0;
  const int left_bits = bits / 2;
  right_bits_ = bits - left_bits;
  left_mask_ = (std::uint64_t{1} << left_bits) - 1;
  right_mask_ = (std::uint64_t{1} << right_bits_) - 1;
  constexpr std::uint64_t golden = 0x9e3779b97f4a7c15U;
  // Hashed one after the other, so that (seed, stream + 1) is not near (seed + 1, stream).
  std::uint64_t state = mix(mix(seed + golden) + stream * golden + 1);
  for (std::uint64_t& key : keys_) key = mix(state += golden);
}

std::int64_t Permutation::at(std::int64_t i) const {
  SHARDMILL_CHECK(i >= 0 && i < count_, "element " + std::to_string(i) + " of " + std::to_string(count_));
  auto x = static_cast<std::uint64_t>(i);
  do {
    std::uint64_t left = x >> right_bits_;
    std::uint64_t right = x & right_mask_;
    for (int round = 0; round < rounds; round += 2) {
      // The upper half of the hash: its bits are the better mixed ones.
      left ^= (mix(right + keys_[static_cast<std::size_t>(round)]) >> 32) & left_mask_;
      right ^= (mix(left + keys_[static_cast<std::size_t>(round) + 1]) >> 32) & right_mask_;
    }
    x = left << right_bits_ | right;
  } while (x >= static_cast<std::uint64_t>(count_));
  return static_cast<std::int64_t>(x);
}

}  // namespace shardmill::train
