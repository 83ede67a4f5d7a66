#include "train/gather.hpp"

#include <utility>

namespace shardmill::train {

void gather_bytes(Desk& desk, const Members& members, char* all, std::size_t item_bytes,
                  std::span<const std::int64_t> ends) {
  std::vector<comm::Transfer> sends;
  std::vector<comm::Transfer> receives;
  const auto part = [&](std::size_t i) {
    const std::int64_t first = i == 0 ? 0 : ends[i - 1];
    return std::pair{all + static_cast<std::size_t>(first) * item_bytes,
                     static_cast<std::size_t>(ends[i] - first) * item_bytes};
  };
  const auto [data, bytes] = part(members.me);
  for (std::size_t i = 0; i < members.ranks.size(); ++i) {
    if (i == members.me) continue;
    const auto [theirs, their_bytes] = part(i);
    if (bytes > 0) sends.push_back({members.ranks[i], data, bytes});
    if (their_bytes > 0) receives.push_back({members.ranks[i], theirs, their_bytes});
  }
  desk.exchange(std::move(sends), std::move(receives));
}

}  // namespace shardmill::train
