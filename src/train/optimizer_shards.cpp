#include "train/optimizer_shards.hpp"

#include <algorithm>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "job/error.hpp"
#include "train/slices.hpp"

namespace shardmill::train {
namespace {

// Where the part of `slices` that holds this element ends; the element itself if none does.
std::int64_t held_until(const std::vector<Slice>& slices, std::int64_t element) {
  std::int64_t until = element;
  for (const Slice& slice : slices) {
    if (slice.first <= element && element < slice.last) until = std::max(until, slice.last);
  }
  return until;
}

// Of each member the slices that it holds.
std::vector<std::vector<Slice>> gather_slices(Desk& desk, const Members& members, const std::vector<Slice>& mine) {
  std::vector<std::int64_t> ends(members.ranks.size());
  ends[members.me] = static_cast<std::int64_t>(mine.size());
  gather_one_each(desk, members, ends);
  for (std::size_t i = 1; i < ends.size(); ++i) ends[i] += ends[i - 1];
  std::vector<Slice> all(static_cast<std::size_t>(ends.back()));
  std::copy(mine.begin(), mine.end(), all.begin() + (members.me == 0 ? 0 : ends[members.me - 1]));
  gather(desk, members, all, ends);
  std::vector<std::vector<Slice>> of_each(members.ranks.size());
  for (std::size_t i = 0; i < ends.size(); ++i)
    of_each[i].assign(all.begin() + (i == 0 ? 0 : ends[i - 1]), all.begin() + ends[i]);
  return of_each;
}

// Of one of the tensors of the state, where one of the parts has it.
at::Tensor cut_out(const std::vector<FlatOptimizer>& parts, std::size_t state, const Slice& slice) {
  const auto found = std::find_if(parts.begin(), parts.end(), [&](const FlatOptimizer& part) {
    return part.held().first <= slice.first && slice.last <= part.held().last;
  });
  SHARDMILL_CHECK(found != parts.end(), "a slice of the optimizer's state that is not held");
  return found->state()[state].second.narrow(0, slice.first - found->held().first, slice.size());
}

}  // namespace

std::vector<Slice> optimizer_slices(std::int64_t count, std::size_t members) {
  return slices_of(count, members, chunk_elements);
}

std::vector<Move> moves_between(const std::vector<std::vector<Slice>>& held,
                                const std::vector<std::vector<Slice>>& wanted) {
  std::vector<Move> moves;
  for (std::size_t to = 0; to < wanted.size(); ++to) {
    for (const Slice& slice : wanted[to]) {
      for (std::int64_t at = slice.first; at < slice.last;) {
        std::size_t from = to;
        std::int64_t until = held_until(held[to], at);
        for (std::size_t i = 0; until == at && i < held.size(); ++i) until = held_until(held[from = i], at);
        if (until == at) {
          throw RankLost(
              "the ranks that held a part of the optimizer's state (optimizer_sharding) are both gone; the run goes on "
              "from its newest checkpoint");
        }
        moves.push_back({from, to, {at, std::min(until, slice.last)}});
        at = moves.back().slice.last;
      }
    }
  }
  return moves;
}

OptimizerShards::OptimizerShards(const job::Optimizer& optimizer, std::int64_t count, std::int64_t decayed,
                                 at::Device device)
    : optimizer_(optimizer), count_(count), decayed_(decayed), device_(device) {}

FlatOptimizer& OptimizerShards::whole() {
  if (parts_.empty()) parts_.push_back(empty({0, count_}));
  SHARDMILL_CHECK(parts_.size() == 1 && parts_.front().held().size() == count_, "the optimizer's state is cut");
  return parts_.front();
}

void OptimizerShards::step(at::Tensor& parameters, const at::Tensor& gradient, double learning_rate,
                           double gradient_scale) {
  SHARDMILL_CHECK(parts_.size() <= 2, "a step while the optimizer's state moves");
  for (FlatOptimizer& part : parts_)
    part.step(parameters, gradient, learning_rate, gradient_scale, part.held().first, part.held().last);
  ++steps_;
}

void OptimizerShards::set_steps(std::int64_t steps) {
  steps_ = steps;
  for (FlatOptimizer& part : parts_) part.set_steps(steps);
}

std::vector<Slice> OptimizerShards::held() const {
  std::vector<Slice> slices;
  for (const FlatOptimizer& part : parts_) slices.push_back(part.held());
  return slices;
}

void OptimizerShards::spread(Desk& desk, const Members& members) {
  const Wanted held = gather_slices(desk, members, this->held());
  const std::vector<Slice> slices = optimizer_slices(count_, members.ranks.size());
  Wanted wanted(slices.size());
  for (std::size_t i = 0; i < slices.size(); ++i) {
    if (slices[i].size() > 0) wanted[i].push_back(slices[i]);
    const Slice& before = slices[(i + slices.size() - 1) % slices.size()];
    if (slices.size() > 1 && before.size() > 0) wanted[i].push_back(before);
  }
  if (held == wanted) return;
  std::vector<FlatOptimizer> fresh = fetch(desk, members, held, wanted);
  const auto old = static_cast<std::ptrdiff_t>(parts_.size());
  std::move(fresh.begin(), fresh.end(), std::back_inserter(parts_));
  // What was held is let go once everybody has got what he wants.
  std::vector<char> there(members.ranks.size(), 1);
  gather_one_each(desk, members, there);
  parts_.erase(parts_.begin(), parts_.begin() + old);
}

std::optional<FlatOptimizer> OptimizerShards::copy_of_all(Desk& desk, const Members& members, bool wanted) {
  std::vector<char> flags(members.ranks.size(), 0);
  flags[members.me] = wanted ? 1 : 0;
  gather_one_each(desk, members, flags);
  if (std::none_of(flags.begin(), flags.end(), [](char flag) { return flag != 0; })) return std::nullopt;
  Wanted slices(flags.size());
  for (std::size_t i = 0; i < flags.size(); ++i) {
    if (flags[i] != 0) slices[i].push_back({0, count_});
  }
  std::vector<FlatOptimizer> copies = fetch(desk, members, gather_slices(desk, members, held()), slices);
  if (copies.empty()) return std::nullopt;
  return std::move(copies.front());
}

// What this member wants, in copies of its own.
std::vector<FlatOptimizer> OptimizerShards::fetch(Desk& desk, const Members& members, const Wanted& held,
                                                  const Wanted& wanted) {
  const at::NoGradGuard no_grad;
  std::vector<FlatOptimizer> fetched;
  for (const Slice& slice : wanted[members.me]) fetched.push_back(empty(slice));
  const std::vector<Move> moves = moves_between(held, wanted);
  const std::size_t states = empty({0, 0}).state().size();
  std::vector<comm::Transfer> sends;
  std::vector<comm::Transfer> receives;
  std::vector<at::Tensor> in_host_memory;  // what is sent, and then what is received
  std::vector<at::Tensor> places;
  std::vector<at::Tensor> received;
  for (const Move& move : moves) {
    if (move.from != members.me && move.to != members.me) continue;
    const int peer = members.ranks[move.from == members.me ? move.to : move.from];
    for (std::size_t state = 0; state < states; ++state) {
      if (move.from == move.to) {
        cut_out(fetched, state, move.slice).copy_(cut_out(parts_, state, move.slice));
      } else if (move.from == members.me) {
        in_host_memory.push_back(cut_out(parts_, state, move.slice).to(at::kCPU));
        const at::Tensor& tensor = in_host_memory.back();
        sends.push_back({peer, tensor.data_ptr(), static_cast<std::size_t>(tensor.nbytes())});
      } else {
        places.push_back(cut_out(fetched, state, move.slice));
        received.push_back(device_.is_cpu() ? places.back() : at::empty(places.back().sizes(), at::kFloat));
        receives.push_back({peer, received.back().data_ptr(), static_cast<std::size_t>(received.back().nbytes())});
      }
    }
  }
  desk.exchange(std::move(sends), std::move(receives));
  if (!device_.is_cpu()) {
    for (std::size_t i = 0; i < places.size(); ++i) places[i].copy_(received[i]);
  }
  return fetched;
}

FlatOptimizer OptimizerShards::empty(const Slice& slice) const {
  FlatOptimizer optimizer(optimizer_, count_, decayed_, device_, slice);
  optimizer.set_steps(steps_);
  return optimizer;
}

}  // namespace shardmill::train
