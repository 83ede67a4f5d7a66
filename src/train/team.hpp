// The ranks that share a step, as one of them sees it, and the sums that they form together.
//
// Worker's thread only. Every call that exchanges is collective over the members and throws Interrupted when one of
// them is lost.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "comm/collectives.hpp"
#include "job/train.hpp"
#include "train/deal.hpp"
#include "train/desk.hpp"
#include "train/gather.hpp"
#include "train/slices.hpp"
#include "train/sum_tree.hpp"

namespace shardmill::train {

class Team {
 public:
  // The members of a deal; this rank may not be among them. Vectors lie in the space and go over the link (links.hpp);
  // both outlive it.
  Team(Desk& desk, comm::Collectives& link, FloatSpace& space, const comm::Deal& deal, int rank,
       const job::Train& rules);

  bool is_member() const { return me_ >= 0; }
  int size() const { return static_cast<int>(members_.size()); }
  int me() const { return me_; }  // index among the members
  Members group() const { return {members_, static_cast<std::size_t>(me_)}; }
  const std::vector<std::int64_t>& my_shards() const { return shares_[static_cast<std::size_t>(me_)]; }
  const std::vector<double>& speeds() const { return speeds_; }

  // The sum over all logical shards' contributions, of as many floats as `total` each, in tree order, on every member.
  // `mine` holds those of my_shards(). seconds: what they took, from which the speeds of all are kept up to date;
  // returns those of all members together. A rank that has the sum has all that it needs to commit the step.
  // Method: each member owns a slice of the vector, is sent the others' pieces of it, adds them, and sends the sum to
  // all: an all-reduce by reduce-scatter and all-gather whose order of addition is fixed. Reduction::fast: each member
  // first adds what it holds, so that it sends one vector where the deal leaves it several pieces; the bits then depend
  // on the deal, and on NCCL, which is left to do it as it likes.
  double sum(const PieceStore& mine, double seconds, std::span<float> total);

  // The same in parts, for optimizer_sharding, where each member needs the sum of its own slice and of the one before
  // it alone. slices: one of each member, from 0 on; what lies behind the last one is summed for all.
  void sum_slices(const PieceStore& mine, const std::vector<Slice>& slices, std::span<float> total);
  // What all members together spent on their logical shards, and the squares of all chunks (chunk_squares) if each
  // gives those of its slice. Speeds are kept up to date. Who returns from here knows that sum_slices() is over on all.
  struct Agreement {
    double seconds = 0;
    std::vector<double> squares;
  };
  Agreement agree(double seconds, const std::vector<Slice>& slices, const std::optional<std::vector<double>>& squares);
  // To every member the slices of all.
  void share(const std::vector<Slice>& slices, std::span<float> vector);
  // Slices of a vector to the members that lack them: givers[i] is the index of the one who gives slice i.
  void share(const std::vector<Slice>& slices, const std::vector<std::size_t>& givers, const std::vector<bool>& lacking,
             std::span<float> vector);

  // Each member's part of `all`, in order, to every member. parts: their ends, as elements of T.
  template <typename T>
  void gather(std::vector<T>& all, std::span<const std::int64_t> ends) {
    train::gather(desk_, group(), all, ends);
  }

  // Deals the shards of the next step anew if the members' speeds call for it: the same on all members.
  void deal_again();

 private:
  void exchange(std::vector<comm::Transfer> sends, std::vector<comm::Transfer> receives);
  struct Transfers {
    std::vector<comm::Transfer> sends;
    std::vector<comm::Transfer> receives;
  };
  std::vector<std::size_t> each_its_own() const;  // givers
  std::vector<bool> everybody() const { return std::vector<bool>(members_.size(), true); }
  void add_shares(Transfers& transfers, const std::vector<Slice>& slices, const std::vector<std::size_t>& givers,
                  const std::vector<bool>& lacking, std::span<float> vector) const;
  void all_reduce(const std::vector<Piece>& pieces, std::span<float> total);
  void scatter_and_add(const PieceStore& mine, const std::vector<Slice>& slices, std::span<float> total);
  void gather_slices(const std::vector<Slice>& slices, std::span<float> total, std::vector<double>& times);
  std::vector<Piece> added_up(std::vector<Piece> pieces, std::size_t elements);
  std::vector<Subtree> pieces_of(std::size_t member) const;
  void learn_speeds(std::span<const double> seconds);

  Desk& desk_;
  comm::Collectives& link_;
  FloatSpace& space_;
  job::Reduction reduction_;
  job::Dealing dealing_;
  std::vector<int> members_;
  int me_ = -1;
  std::int64_t shards_;
  Shares shares_;
  std::vector<double> speeds_;  // logical shards a second; 0: not known
  Floats received_;
  Floats local_;
};

}  // namespace shardmill::train
