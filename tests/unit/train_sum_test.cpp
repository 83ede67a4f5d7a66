// The order of additions, and who is dealt what.
#include <cstring>
#include <numeric>
#include <random>

#include <gmock/gmock.h>

#include "job/error.hpp"
#include "train/deal.hpp"
#include "train/device_space.hpp"
#include "train/slices.hpp"
#include "train/sum_tree.hpp"

namespace shardmill::train {
namespace {

using ::testing::ElementsAre;

std::vector<std::vector<float>> leaves(std::int64_t count, std::size_t elements, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<std::vector<float>> all(static_cast<std::size_t>(count), std::vector<float>(elements));
  for (auto& leaf : all) {
    for (float& value : leaf) value = normal(random) * std::exp2(static_cast<float>(random() % 20));
  }
  return all;
}

// By the definition: a binary tree over the leaves, filled up by absent ones.
std::vector<float> tree_sum(const std::vector<std::vector<float>>& all, std::size_t first, std::size_t size) {
  if (first >= all.size()) return {};
  if (size == 1) return all[first];
  std::vector<float> left = tree_sum(all, first, size / 2);
  const std::vector<float> right = tree_sum(all, first + size / 2, size / 2);
  for (std::size_t i = 0; i < right.size(); ++i) left[i] = left[i] + right[i];
  return left;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(LargestSubtrees, AreAlignedAndCoverTheLeaves) {
  const auto of = [](std::vector<std::int64_t> list) { return largest_subtrees(list); };
  EXPECT_THAT(of({0, 1, 2, 3}), ElementsAre(Subtree{0, 4}));
  EXPECT_THAT(of({1, 2, 3}), ElementsAre(Subtree{1, 1}, Subtree{2, 2}));
  EXPECT_THAT(of({3, 4, 5, 6, 7, 8}), ElementsAre(Subtree{3, 1}, Subtree{4, 4}, Subtree{8, 1}));
  EXPECT_THAT(of({0, 2, 3, 5}), ElementsAre(Subtree{0, 1}, Subtree{2, 2}, Subtree{5, 1}));
  EXPECT_TRUE(of({}).empty());
}

// In host memory as on a device: here LibTorch's own additions take the GPU's place.
class TreeSum : public ::testing::TestWithParam<const char*> {
 protected:
  bool on_device() const { return GetParam() == std::string("device"); }
  std::unique_ptr<FloatSpace> device_ = make_device_space(at::kCPU);
};
INSTANTIATE_TEST_SUITE_P(Spaces, TreeSum, ::testing::Values("host", "device"),
                         [](const auto& instance) { return std::string(instance.param); });

// Whoever holds what, and in whatever order it was computed.
TEST_P(TreeSum, HasTheSameBitsHoweverTheLeavesAreDealt) {
  FloatSpace& space = on_device() ? *device_ : host_space();
  std::mt19937 random(1);
  for (const std::int64_t count : {1, 2, 3, 5, 8, 12, 16, 31}) {
    const std::size_t elements = 5000;  // more than one block
    const auto all = leaves(count, elements, static_cast<unsigned>(count));
    const std::vector<float> expected = tree_sum(all, 0, std::bit_ceil(static_cast<std::size_t>(count)));
    for (int trial = 0; trial < 20; ++trial) {
      const std::size_t ranks = 1 + random() % 5;
      std::vector<std::int64_t> order(static_cast<std::size_t>(count));
      std::iota(order.begin(), order.end(), 0);
      std::shuffle(order.begin(), order.end(), random);
      std::vector<PieceStore> stores;
      std::vector<std::vector<std::int64_t>> held(ranks);
      for (std::size_t i = 0; i < ranks; ++i) stores.emplace_back(space, elements);
      for (const std::int64_t leaf : order) {
        const std::size_t rank = random() % ranks;
        std::copy(all[static_cast<std::size_t>(leaf)].begin(), all[static_cast<std::size_t>(leaf)].end(),
                  stores[rank].buffer());
        stores[rank].add(leaf);
        held[rank].push_back(leaf);
      }
      std::vector<Piece> pieces;
      for (std::size_t i = 0; i < ranks; ++i) {
        std::sort(held[i].begin(), held[i].end());
        EXPECT_EQ(stores[i].leaves(), held[i]);
        const std::vector<Subtree> subtrees = largest_subtrees(held[i]);
        ASSERT_EQ(stores[i].pieces().size(), subtrees.size());
        for (std::size_t p = 0; p < subtrees.size(); ++p) {
          EXPECT_EQ(stores[i].pieces()[p].subtree, subtrees[p]) << "receivers count on it";
          pieces.push_back(stores[i].pieces()[p]);
        }
      }
      std::vector<float> sum(elements);
      add_in_tree_order(space, pieces, count, elements, sum.data());
      EXPECT_TRUE(same_bits(sum, expected)) << count << " leaves on " << ranks << " ranks";
    }
  }
}

TEST(TreeOfSums, IsNotJustAnySum) {
  const auto all = leaves(8, 1000, 3);
  std::vector<float> in_a_row = all[0];
  for (std::size_t leaf = 1; leaf < all.size(); ++leaf) {
    for (std::size_t i = 0; i < in_a_row.size(); ++i) in_a_row[i] += all[leaf][i];
  }
  EXPECT_FALSE(same_bits(in_a_row, tree_sum(all, 0, 8)));
}

TEST(TreeOfSums, RefusesPiecesThatDoNotCover) {
  const std::vector<float> value(4, 1.0F);
  const std::vector<Piece> pieces{{{0, 2}, value.data()}, {{3, 1}, value.data()}};
  std::vector<float> sum(4);
  EXPECT_ANY_THROW(add_in_tree_order(host_space(), pieces, 4, 4, sum.data()));
}

TEST(PieceStore, ForgetsWhenCleared) {
  PieceStore store(host_space(), 3);
  std::fill_n(store.buffer(), 3, 1.0F);
  store.add(5);
  EXPECT_TRUE(store.holds(5));
  EXPECT_FALSE(store.holds(4));
  store.clear();
  EXPECT_FALSE(store.holds(5));
  EXPECT_TRUE(store.leaves().empty());
}

TEST(DealAll, GivesNeighboursInProportionToSpeed) {
  EXPECT_THAT(deal_all(8, std::vector<double>{1, 1}), ElementsAre(ElementsAre(0, 1, 2, 3), ElementsAre(4, 5, 6, 7)));
  EXPECT_THAT(deal_all(8, std::vector<double>{0, 0, 0}),
              ElementsAre(ElementsAre(0, 1, 2), ElementsAre(3, 4, 5), ElementsAre(6, 7)));
  EXPECT_THAT(deal_all(6, std::vector<double>{2, 1}), ElementsAre(ElementsAre(0, 1, 2, 3), ElementsAre(4, 5)));
  EXPECT_THAT(deal_all(1, std::vector<double>{1, 1}), ElementsAre(ElementsAre(0), ElementsAre()));
}

TEST(DealMissing, GivesOnlyWhatNobodyHolds) {
  EXPECT_THAT(deal_missing(8, {{0, 1, 2}, {6}}, std::vector<double>{1, 1}),
              ElementsAre(ElementsAre(3, 4), ElementsAre(5, 7)));
  EXPECT_THAT(deal_missing(2, {{0}, {1}}, std::vector<double>{1, 1}), ElementsAre(ElementsAre(), ElementsAre()));
}

TEST(Imbalance, IsOneWhereAllAreThroughTogether) {
  EXPECT_DOUBLE_EQ(imbalance({{0, 1}, {2, 3}}, std::vector<double>{1, 1}), 1);
  EXPECT_DOUBLE_EQ(imbalance({{0, 1}, {2, 3}}, std::vector<double>{1, 0.5}), 1.5);
}

TEST(Slices, CutTheVectorOnBorders) {
  for (const std::int64_t elements : {1, 1023, 1024, 5000, 100'000}) {
    for (const std::size_t members : {1U, 2U, 3U, 7U}) {
      const auto slices = slices_of(elements, members, 1024);
      std::int64_t next = 0;
      for (const Slice& slice : slices) {
        EXPECT_EQ(slice.first, next);
        EXPECT_TRUE(slice.first % 1024 == 0 || slice.first == elements);
        next = slice.last;
      }
      EXPECT_EQ(next, elements);
    }
  }
}

}  // namespace
}  // namespace shardmill::train
