// The shards that wait for a lease: which is next, and how carefully.
//
// A death that a living coordinator sees tells which shard did it, or might have. When everything ends at once nobody
// sees it, so the next incarnation narrows it down, by three sets, each worked off before the next:
//   1. doubtful: begun when everything ended. Of n, at most n / 2 are leased at a time, and nothing beside them: should
//      all end again, half of them are cleared. One that is alone when it ends is to blame.
//   2. guarded: what else may have been leased. Until they are done, every lease asks before each batch, so that the
//      next end leaves a list of what was begun.
//   3. all others.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "coordinator/interval_set.hpp"
#include "coordinator/ledger.hpp"
#include "coordinator/types.hpp"

namespace shardmill::coordinator {

class Waiting {
 public:
  struct Next {
    ShardId shard = 0;
    bool again = false;  // to be leased alone, asking before every batch
  };

  Waiting() = default;
  // most_leased: how many shards may have been leased when the incarnation before was cut off, 0 if it was not. They
  // are the lowest ones that wait, since the lowest is always leased first. together: all its ranks ended with it.
  Waiting(const Ledger& ledger, std::int64_t most_leased, bool together);

  // The next for a rank that holds nothing, which is taken out; none if there is none now. leased: shards that are out.
  std::optional<Next> pop(std::int64_t leased);
  // One that a rank may have beside those it holds.
  std::optional<ShardId> pop_ahead();
  // suspect: a rank died with it, or with one that it held beside; leased alone, so that the next death tells.
  void put_back(ShardId shard, bool suspect);
  void done(ShardId shard);

  // A rank that has nothing to do may compute a slow shard as well.
  bool may_double() const { return all_doubtful_.empty(); }

 private:
  IntervalSet pending_;
  IntervalSet suspects_;
  IntervalSet doubtful_;
  // Waiting or leased.
  IntervalSet all_doubtful_;
  IntervalSet guarded_;
};

}  // namespace shardmill::coordinator
