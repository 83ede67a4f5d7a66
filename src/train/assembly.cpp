#include "train/assembly.hpp"

#include <algorithm>

#include "job/error.hpp"
#include "train/deal.hpp"

namespace shardmill::train {

int Assembly::begin() {
  generation_ = (generation_ / world_ + 1) * world_ + rank_;
  open_ = true;
  // Who has answered waits for the deal, and its answer stands; but it must hear of the new generation.
  standing_.clear();
  return generation_;
}

bool Assembly::stand(int rank, const comm::Standing& standing) {
  if (standing.generation > generation_) {
    generation_ = standing.generation;
    return true;
  }
  if (!open_) return standing.generation == generation_;
  if (standing.generation == generation_) standing_[rank] = standing;
  return false;
}

std::optional<comm::Deal> Assembly::settle(const std::set<int>& alive) {
  if (!open_) return std::nullopt;
  std::erase_if(standing_, [&](const auto& item) { return !alive.contains(item.first); });
  if (standing_.size() < alive.size()) return std::nullopt;
  open_ = false;
  return decide();
}

comm::Deal Assembly::decide() const {
  comm::Deal deal;
  deal.generation = generation_;
  deal.position = -1;
  for (const auto& [rank, standing] : standing_) {
    deal.position = std::max(deal.position, standing.position);
    deal.channel = std::max(deal.channel, standing.channel + 1);
  }
  if (deal.position < 0) throw RankLost("no rank that is left has the model's state; resume goes on from a checkpoint");

  // Those that have a state come before those that would have to be sent it.
  std::vector<int> ranks;
  for (const bool with_state : {true, false}) {
    for (const auto& [rank, standing] : standing_) {
      if ((standing.position >= 0) == with_state && static_cast<int>(ranks.size()) < wanted_) ranks.push_back(rank);
    }
  }
  std::sort(ranks.begin(), ranks.end());
  deal.members.assign(ranks.begin(), ranks.end());
  deal.source = -1;
  Shares held(ranks.size());
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    const comm::Standing& standing = standing_.at(ranks[i]);
    deal.speeds.push_back(standing.speed);
    if (standing.position != deal.position) {
      deal.behind.push_back(ranks[i]);
      continue;
    }
    if (deal.source < 0) deal.source = ranks[i];
    held[i] = standing.held;
  }
  deal.owner.assign(static_cast<std::size_t>(shards_), 0);
  const bool none_held = std::all_of(held.begin(), held.end(), [](const auto& shards) { return shards.empty(); });
  const Shares fresh = none_held ? deal_all(shards_, deal.speeds) : deal_missing(shards_, held, deal.speeds);
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    for (const std::int64_t shard : held[i]) deal.owner[static_cast<std::size_t>(shard)] = static_cast<std::int32_t>(i);
    for (const std::int64_t shard : fresh[i])
      deal.owner[static_cast<std::size_t>(shard)] = static_cast<std::int32_t>(i);
  }
  return deal;
}

}  // namespace shardmill::train
