#include "train/deal.hpp"

#include <algorithm>
#include <numeric>

namespace shardmill::train {
namespace {

std::vector<double> known(std::span<const double> speeds) {
  double sum = 0;
  int count = 0;
  for (const double speed : speeds) {
    if (speed <= 0) continue;
    sum += speed;
    ++count;
  }
  std::vector<double> all(speeds.begin(), speeds.end());
  for (double& speed : all) {
    if (speed <= 0) speed = count > 0 ? sum / count : 1;
  }
  return all;
}

// Whoever would be through first with one more; the lowest of equals.
std::size_t first_free(std::span<const std::int64_t> counts, std::span<const double> speeds) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < counts.size(); ++i) {
    if (static_cast<double>(counts[i] + 1) / speeds[i] < static_cast<double>(counts[best] + 1) / speeds[best]) best = i;
  }
  return best;
}

// Neighbours stay together: they merge into fewer pieces.
Shares hand_out(const std::vector<std::int64_t>& shards, std::span<const double> speeds) {
  std::vector<std::int64_t> counts(speeds.size(), 0);
  for (std::size_t i = 0; i < shards.size(); ++i) ++counts[first_free(counts, speeds)];
  Shares deal(speeds.size());
  auto next = shards.begin();
  for (std::size_t i = 0; i < deal.size(); ++i) {
    deal[i].assign(next, next + counts[i]);
    next += counts[i];
  }
  return deal;
}

}  // namespace

Shares deal_all(std::int64_t shards, std::span<const double> speeds) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(shards));
  std::iota(all.begin(), all.end(), 0);
  return hand_out(all, known(speeds));
}

Shares deal_missing(std::int64_t shards, const Shares& held, std::span<const double> speeds) {
  const std::vector<double> speed = known(speeds);
  std::vector<bool> there(static_cast<std::size_t>(shards), false);
  for (const auto& mine : held) {
    for (const std::int64_t shard : mine) there[static_cast<std::size_t>(shard)] = true;
  }
  std::vector<std::int64_t> missing;
  for (std::int64_t shard = 0; shard < shards; ++shard) {
    if (!there[static_cast<std::size_t>(shard)]) missing.push_back(shard);
  }
  return hand_out(missing, speed);
}

double imbalance(const Shares& deal, std::span<const double> speeds) {
  const std::vector<double> speed = known(speeds);
  double longest = 0;
  std::size_t shards = 0;
  for (std::size_t i = 0; i < deal.size(); ++i) {
    longest = std::max(longest, static_cast<double>(deal[i].size()) / speed[i]);
    shards += deal[i].size();
  }
  const double together = std::accumulate(speed.begin(), speed.end(), 0.0);
  return shards == 0 ? 1 : longest * together / static_cast<double>(shards);
}

}  // namespace shardmill::train
