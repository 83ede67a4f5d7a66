// The one order in which the contributions of a step's logical shards are added, whoever holds which.
//
// The shards are the leaves of a binary tree, filled up to a power of two by leaves that are absent (absent + x = x).
// Whoever holds all leaves of a subtree holds its sum, a piece; any cover of the tree by pieces gives the same bits.
// Method: reproducible summation by a fixed tree, as in "Reproducible Floating-Point Aggregation", Villa et al. 2009.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "train/float_space.hpp"

namespace shardmill::train {

// The subtree over leaves [first, first + size); size is a power of two and divides first.
struct Subtree {
  std::int64_t first = 0;
  std::int64_t size = 1;

  friend auto operator<=>(const Subtree&, const Subtree&) = default;
};

// The largest subtrees that consist of these leaves alone, in order. `leaves` ascends without repetition.
std::vector<Subtree> largest_subtrees(std::span<const std::int64_t> leaves);

// One summand for a slice of the sum.
struct Piece {
  Subtree subtree;
  const float* data = nullptr;  // in the space at hand
};

// out[i] = sum over the pieces in tree order, for i in [0, count). Pieces are disjoint and cover leaves [0, total).
// `out` may be the data of a piece. All of it lies in the space. Throws InternalError if they do not cover.
void add_in_tree_order(FloatSpace& space, std::span<const Piece> pieces, std::int64_t total, std::size_t count,
                       float* out);

// The pieces that one rank holds: adds a leaf, and merges siblings as soon as both are there.
class PieceStore {
 public:
  // The pieces lie in the space, which outlives them.
  PieceStore(FloatSpace& space, std::size_t elements) : space_(&space), elements_(elements) {}

  // A buffer of `elements` floats for the leaf, of unset content, to be filled and then added. Valid until then.
  float* buffer();
  void add(std::int64_t leaf);
  // In order of their first leaf.
  std::vector<Piece> pieces() const;
  std::vector<std::int64_t> leaves() const;
  bool holds(std::int64_t leaf) const;
  void clear();

 private:
  FloatSpace* space_;
  std::size_t elements_;
  std::map<std::int64_t, std::pair<std::int64_t, Floats>> held_;  // first leaf -> size, sum
  std::vector<Floats> free_;
  Floats next_;
};

}  // namespace shardmill::train
