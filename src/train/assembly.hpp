// How ranks come together, at the start and after every death: the coordinator's side, as a pure state machine.
//
//   somebody is dead -> Regroup to all alive -> all alive have said where they stand -> one Deal to all
//
// A death on the way begins it anew with a higher generation. A new coordinator does the same; if it knows a lower
// generation than somebody else, it hears of it and asks again. No two coordinators ever use the same number. There is
// no vote: who has committed what is all there is to know, and ranks differ by one position at most.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>

#include "comm/messages.hpp"

namespace shardmill::train {

class Assembly {
 public:
  // rank: this one, of `world` in all. wanted: ranks that work at a time; those beyond wait as spares. shards: logical
  // shards of a step. known: the newest generation that this rank has heard of.
  Assembly(int rank, int world, int wanted, std::int64_t shards, int known = 0)
      : rank_(rank), world_(world), wanted_(wanted), shards_(shards), generation_(known) {}

  // Everybody is to be asked, in this generation.
  int begin();
  bool is_open() const { return open_; }
  int generation() const { return generation_; }
  // A rank has said where it stands. True if everybody must be asked again: it cannot go on as it was dealt, or knows
  // of a newer generation.
  bool stand(int rank, const comm::Standing& standing);
  // The deal, once all of `alive` have answered. Throws RankLost if none of them has a state.
  std::optional<comm::Deal> settle(const std::set<int>& alive);

 private:
  comm::Deal decide() const;

  int rank_;
  int world_;
  int wanted_;
  std::int64_t shards_;
  int generation_;
  bool open_ = false;
  std::map<int, comm::Standing> standing_;
};

}  // namespace shardmill::train
