#include "coordinator/waiting.hpp"

#include <algorithm>

namespace shardmill::coordinator {

Waiting::Waiting(const Ledger& ledger, std::int64_t most_leased, bool together) {
  std::int64_t next_free = ledger.plan().begin();
  for (const auto& [first, last] : ledger.done().intervals()) {
    if (next_free < first) pending_.insert(next_free, first);
    next_free = last;
  }
  if (next_free < ledger.plan().end()) pending_.insert(next_free, ledger.plan().end());
  for (const auto& [shard, trouble] : ledger.troubles()) {
    if (trouble.attempts == 0 && !trouble.unclear) continue;
    pending_.erase(shard);
    const bool doubtful = together && (trouble.unclear || trouble.strikes > 0);
    (doubtful ? doubtful_ : suspects_).insert(shard);
  }
  for (std::int64_t left = most_leased; left > 0 && !pending_.empty(); --left) suspects_.insert(pending_.pop_first());
  all_doubtful_ = doubtful_;
  if (together && most_leased > 0) guarded_ = suspects_;
}

std::optional<Waiting::Next> Waiting::pop(std::int64_t leased) {
  if (!all_doubtful_.empty()) {
    const std::int64_t most = std::max<std::int64_t>(all_doubtful_.size() / 2, 1);
    if (leased >= most || doubtful_.empty()) return std::nullopt;
    return Next{doubtful_.pop_first(), true};
  }
  if (!suspects_.empty()) return Next{suspects_.pop_first(), true};
  if (!pending_.empty()) return Next{pending_.pop_first(), !guarded_.empty()};
  return std::nullopt;
}

// Only while there is enough for all, and not while a suspect waits for a rank that holds nothing else.
std::optional<ShardId> Waiting::pop_ahead() {
  if (!all_doubtful_.empty() || !suspects_.empty() || !guarded_.empty() || pending_.empty()) return std::nullopt;
  return pending_.pop_first();
}

void Waiting::put_back(ShardId shard, bool suspect) {
  (all_doubtful_.contains(shard) ? doubtful_ : suspect ? suspects_ : pending_).insert(shard);
}

void Waiting::done(ShardId shard) {
  if (all_doubtful_.contains(shard)) all_doubtful_.erase(shard);
  if (guarded_.contains(shard)) guarded_.erase(shard);
}

}  // namespace shardmill::coordinator
