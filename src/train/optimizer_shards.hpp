// The optimizer's state on one rank: all of it, or with optimizer_sharding its part.
//
// With sharding each member of a deal holds its own slice of the flat vector, and that of the member before it, which
// it updates as well: whoever dies, somebody else has the state. Method: the first stage of ZeRO, "ZeRO: Memory
// Optimizations Toward Training Trillion Parameter Models", Rajbhandari et al. 2020, with each slice held twice.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "train/desk.hpp"
#include "train/gather.hpp"
#include "train/optimizer.hpp"

namespace shardmill::train {

// The members' slices of a vector of `count` elements, in order and on the grid; some may be empty.
std::vector<Slice> optimizer_slices(std::int64_t count, std::size_t members);

// Worker's thread only.
class OptimizerShards {
 public:
  // Holds nothing yet. The arguments are FlatOptimizer's.
  OptimizerShards(const job::Optimizer& optimizer, std::int64_t count, std::int64_t decayed, at::Device device);

  // All of the state in one piece, made of zeros if nothing is held. Only before it is cut.
  FlatOptimizer& whole();
  // One step for what is held here.
  void step(at::Tensor& parameters, const at::Tensor& gradient, double learning_rate, double gradient_scale);
  std::int64_t steps() const { return steps_; }
  void set_steps(std::int64_t steps);
  std::vector<Slice> held() const;

  // From where it lies to where it belongs by now. Collective over the members, each of which has taken as many steps.
  // Throws Interrupted; nothing is lost then. Throws RankLost if nobody holds a part of it any more.
  void spread(Desk& desk, const Members& members);
  // A copy of the whole for each member that wants one. Collective; throws as spread() does.
  std::optional<FlatOptimizer> copy_of_all(Desk& desk, const Members& members, bool wanted);

 private:
  using Wanted = std::vector<std::vector<Slice>>;  // of each member

  std::vector<FlatOptimizer> fetch(Desk& desk, const Members& members, const Wanted& held, const Wanted& wanted);
  FlatOptimizer empty(const Slice& slice) const;

  job::Optimizer optimizer_;
  std::int64_t count_;
  std::int64_t decayed_;
  at::Device device_;
  std::int64_t steps_ = 0;
  // While state moves from one cut to the next, what was held and what is to be held.
  std::vector<FlatOptimizer> parts_;
};

// A piece of the vector that one member sends another, or copies for itself.
struct Move {
  std::size_t from = 0;
  std::size_t to = 0;
  Slice slice;

  friend bool operator==(const Move&, const Move&) = default;
};

// What has to move so that each member has what it wants, the same on all members. held, wanted: of each member. Who
// has something itself is sent nothing. Throws RankLost if nobody holds it.
std::vector<Move> moves_between(const std::vector<std::vector<Slice>>& held,
                                const std::vector<std::vector<Slice>>& wanted);

}  // namespace shardmill::train
