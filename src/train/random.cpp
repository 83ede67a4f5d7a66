#include "train/random.hpp"

#include "job/error.hpp"

namespace shardmill::train {
namespace {

std::uint32_t low(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
std::uint32_t high(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }

}  // namespace

RecordRandom::RecordRandom(std::uint64_t seed, std::int64_t epoch, std::int64_t record)
    : counter_{0, low(static_cast<std::uint64_t>(epoch)), low(static_cast<std::uint64_t>(record)),
               high(static_cast<std::uint64_t>(record))},
      key_{low(seed), high(seed)} {}

std::uint32_t RecordRandom::next() {
  if (used_ == words_.size()) {
    words_ = philox4x32(counter_, key_);
    ++counter_[0];
    used_ = 0;
  }
  return words_[used_++];
}

double RecordRandom::uniform() { return next() * 0x1p-32; }

std::uint32_t RecordRandom::below(std::uint32_t bound) {
  SHARDMILL_CHECK(bound > 0, "a random number below 0");
  const std::uint32_t rejected = (0U - bound) % bound;
  std::uint64_t product = 0;
  do {
    product = std::uint64_t{next()} * bound;
  } while (low(product) < rejected);
  return high(product);
}

}  // namespace shardmill::train
