#include "train/sum_tree.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "job/error.hpp"

namespace shardmill::train {
namespace {

constexpr std::size_t deepest = 24;  // job::Train::logical_shards is at most 2^16

// Sums of subtrees below `node` in postfix order: an index into the pieces, or `plus` for the sum of the last two.
constexpr int plus = -1;

std::size_t append(std::span<const Piece> pieces, Subtree node, std::int64_t total, std::vector<int>& program) {
  if (node.first >= total) return 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].subtree.first != node.first) continue;
    // The largest piece that starts here and fits; a larger one cannot be, since pieces are disjoint.
    if (pieces[i].subtree.size == node.size) {
      program.push_back(static_cast<int>(i));
      return 1;
    }
  }
  SHARDMILL_CHECK(node.size > 1, "the pieces cover all logical shards");
  const std::int64_t half = node.size / 2;
  const std::size_t left = append(pieces, {node.first, half}, total, program);
  const std::size_t right = append(pieces, {node.first + half, half}, total, program);
  if (left + right == 2) program.push_back(plus);
  return 1;
}

}  // namespace

std::vector<Subtree> largest_subtrees(std::span<const std::int64_t> leaves) {
  std::vector<Subtree> found;
  for (std::size_t at = 0; at < leaves.size();) {
    const std::int64_t first = leaves[at];
    std::size_t run = 1;
    while (at + run < leaves.size() && leaves[at + run] == first + static_cast<std::int64_t>(run)) ++run;
    for (std::int64_t next = first; next < first + static_cast<std::int64_t>(run);) {
      const auto left = static_cast<std::uint64_t>(first + static_cast<std::int64_t>(run) - next);
      const auto fits = static_cast<std::int64_t>(std::bit_floor(left));
      const std::int64_t aligned =
          next == 0 ? fits : std::int64_t{1} << std::countr_zero(static_cast<std::uint64_t>(next));
      const std::int64_t size = std::min(fits, aligned);
      found.push_back({next, size});
      next += size;
    }
    at += run;
  }
  return found;
}

void add_in_tree_order(FloatSpace& space, std::span<const Piece> pieces, std::int64_t total, std::size_t count,
                       float* out) {
  const std::size_t block = std::min(space.block(), count);
  std::vector<int> program;
  append(pieces, {0, static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(total)))}, total, program);
  std::array<Floats, deepest> scratch;
  std::array<const float*, deepest> stack{};
  for (std::size_t at = 0; at < count; at += block) {
    const std::size_t size = std::min(block, count - at);
    std::size_t depth = 0;
    for (std::size_t i = 0; i < program.size(); ++i) {
      if (program[i] != plus) {
        stack[depth++] = pieces[static_cast<std::size_t>(program[i])].data + at;
        continue;
      }
      const std::size_t left = depth - 2;
      const bool is_last = i + 1 == program.size();
      if (!is_last && !scratch[left]) scratch[left] = make_floats(space, block);
      float* sum = is_last ? out + at : scratch[left].get();
      space.add(stack[left], stack[left + 1], size, sum);
      stack[left] = sum;
      depth = left + 1;
    }
    if (stack[0] != out + at) space.copy(stack[0], size, out + at);
  }
}

float* PieceStore::buffer() {
  if (next_ == nullptr && !free_.empty()) {
    next_ = std::move(free_.back());
    free_.pop_back();
  }
  if (next_ == nullptr) next_ = make_floats(*space_, elements_);
  return next_.get();
}

void PieceStore::add(std::int64_t leaf) {
  std::int64_t first = leaf;
  std::int64_t size = 1;
  Floats sum = std::move(next_);
  for (;;) {
    const bool is_left = first % (2 * size) == 0;
    const auto sibling = held_.find(is_left ? first + size : first - size);
    if (sibling == held_.end() || sibling->second.first != size) break;
    Floats other = std::move(sibling->second.second);
    const float* left = is_left ? sum.get() : other.get();
    const float* right = is_left ? other.get() : sum.get();
    space_->add(left, right, elements_, sum.get());
    free_.push_back(std::move(other));
    held_.erase(sibling);
    if (!is_left) first -= size;
    size *= 2;
  }
  held_.insert_or_assign(first, std::pair{size, std::move(sum)});
}

std::vector<Piece> PieceStore::pieces() const {
  std::vector<Piece> all;
  for (const auto& [first, held] : held_) all.push_back({{first, held.first}, held.second.get()});
  return all;
}

std::vector<std::int64_t> PieceStore::leaves() const {
  std::vector<std::int64_t> all;
  for (const auto& [first, held] : held_) {
    for (std::int64_t i = 0; i < held.first; ++i) all.push_back(first + i);
  }
  return all;
}

bool PieceStore::holds(std::int64_t leaf) const {
  const auto after = held_.upper_bound(leaf);
  if (after == held_.begin()) return false;
  const auto found = std::prev(after);
  return leaf < found->first + found->second.first;
}

void PieceStore::clear() {
  for (auto& [first, held] : held_) free_.push_back(std::move(held.second));
  held_.clear();
}

}  // namespace shardmill::train
