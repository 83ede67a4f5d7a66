// How many leases a rank asks for.
//
// Three do where a shard takes longer than a commit: one in the model, one being read, one on its way. With short
// shards the model would run dry while syncs and messages are under way, so whenever it does, the rank asks for twice
// as many: as many as it takes, on any disk and network, and no more, since what a rank holds is set back when it dies.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

namespace shardmill::infer {

class AskAhead {
 public:
  static constexpr int fewest = 3;
  static constexpr int most = 256;

  int slots() const { return slots_; }

  // The model has computed all that the rank held, `computed` leases since it began. True if slots() has grown.
  bool ran_dry(std::int64_t computed, std::chrono::steady_clock::time_point now) {
    const std::int64_t leases = computed - computed_;
    if (leases < slots_) return false;
    const auto took = now - std::exchange(since_, now);
    computed_ = computed;
    // Not if it happens now and then only, and not where shards are long: their commits hide behind them.
    if (leases > rounds * slots_ || took * slots_ > longest * leases || slots_ == most) return false;
    slots_ = std::min(2 * slots_, most);
    return true;
  }

 private:
  static constexpr std::chrono::milliseconds longest{100};  // of the work asked for ahead
  static constexpr int rounds = 8;

  int slots_ = fewest;
  std::int64_t computed_ = 0;
  std::chrono::steady_clock::time_point since_{};
};

}  // namespace shardmill::infer
