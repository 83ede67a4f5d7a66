// Who computes which logical shards of a step. A function of its arguments, to the last bit: all ranks call it with the
// same numbers and come to the same deal without a word.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace shardmill::train {

// For each member the shards that it is dealt, ascending.
using Shares = std::vector<std::vector<std::int64_t>>;

// Neighbouring shards to each member, in proportion to its speed (shards a second; 0: not known, taken for the mean),
// so that the last to finish finishes as early as can be. Members may get none if there are more of them than shards.
Shares deal_all(std::int64_t shards, std::span<const double> speeds);

// Shards that a dead member took with it, on top of `held`: each goes to whoever is through first.
Shares deal_missing(std::int64_t shards, const Shares& held, std::span<const double> speeds);

// How long the slowest member would take over `deal`, in units of the time that all would take if shards could be cut.
double imbalance(const Shares& deal, std::span<const double> speeds);

}  // namespace shardmill::train
