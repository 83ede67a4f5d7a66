#include <cstdint>
#include <map>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "train/permutation.hpp"

namespace shardmill::train {
namespace {

std::vector<std::int64_t> all_of(const Permutation& permutation) {
  std::vector<std::int64_t> order;
  for (std::int64_t i = 0; i < permutation.count(); ++i) order.push_back(permutation.at(i));
  return order;
}

// Pearson's statistic over its degrees of freedom, for counts that should be equal. Near 1.
double chi_square_ratio(const std::vector<std::int64_t>& counts) {
  const double expected = static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0})) /
                          static_cast<double>(counts.size());
  double sum = 0;
  for (const std::int64_t count : counts)
    sum += (static_cast<double>(count) - expected) * (static_cast<double>(count) - expected) / expected;
  return sum / static_cast<double>(counts.size() - 1);
}

TEST(TrainPermutation, IsABijection) {
  std::vector<std::int64_t> counts = {0, 1, 2, 3, 5, 7, 10, 97, 100, 1009, 10007, 65537, 100003};
  for (int k = 2; k <= 17; ++k)
    for (const std::int64_t off : {-1, 0, 1}) counts.push_back((std::int64_t{1} << k) + off);
  for (const std::int64_t count : counts)
    for (const std::uint64_t seed : {0U, 1U, 12345U}) {
      SCOPED_TRACE(std::to_string(count) + " records, seed " + std::to_string(seed));
      const Permutation permutation(seed, 3, count);
      std::vector<bool> seen(static_cast<std::size_t>(count));
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t at = permutation.at(i);
        ASSERT_TRUE(at >= 0 && at < count) << at;
        ASSERT_FALSE(seen[static_cast<std::size_t>(at)]) << at << " twice";
        seen[static_cast<std::size_t>(at)] = true;
      }
    }
}

TEST(TrainPermutation, OfABillionStaysInsideAndDoesNotRepeat) {
  const std::int64_t count = 1'000'000'000;
  const Permutation permutation(7, 0, count);
  std::map<std::int64_t, std::int64_t> seen;
  for (std::int64_t i = 0; i < count; i += 9973) {
    const std::int64_t at = permutation.at(i);
    ASSERT_TRUE(at >= 0 && at < count);
    ASSERT_TRUE(seen.emplace(at, i).second) << i << " and " << seen[at];
  }
}

TEST(TrainPermutation, DependsOnSeedStreamAndCountAlone) {
  const auto base = all_of(Permutation(1, 2, 1000));
  EXPECT_EQ(base, all_of(Permutation(1, 2, 1000)));
  EXPECT_NE(base, all_of(Permutation(2, 2, 1000)));
  EXPECT_NE(base, all_of(Permutation(1, 3, 1000)));
  EXPECT_NE(base, all_of(Permutation(2, 1, 1000)));
  EXPECT_NE(all_of(Permutation(0, 1, 1000)), all_of(Permutation(1, 0, 1000)));
}

// A recorded value: shuffles must not change between versions, or a resumed run would repeat records.
TEST(TrainPermutation, IsTheSameForEver) {
  EXPECT_EQ(all_of(Permutation(42, 0, 10)), (std::vector<std::int64_t>{5, 1, 8, 6, 9, 3, 7, 0, 2, 4}));
}

TEST(TrainPermutation, EveryPlaceIsEquallyLikely) {
  for (const std::int64_t count : {2, 3, 5, 8, 10, 17, 64, 100}) {
    SCOPED_TRACE(count);
    std::vector<std::int64_t> counts(static_cast<std::size_t>(count * count));
    for (std::uint64_t seed = 0; seed < 20000; ++seed) {
      const Permutation permutation(seed / 100, seed % 100, count);  // epochs of seeds, as they are used
      for (std::int64_t i = 0; i < count; ++i) ++counts[static_cast<std::size_t>(i * count + permutation.at(i))];
    }
    // (count - 1)^2 of count^2 - 1 cells are free, so the ratio lies below 1.
    const double free = static_cast<double>((count - 1) * (count - 1)) / static_cast<double>(count * count - 1);
    const double ratio = chi_square_ratio(counts) / free;
    EXPECT_LT(ratio, 1 + 6 / static_cast<double>(count - 1));  // over four standard deviations
  }
}

TEST(TrainPermutation, EveryPairOfPlacesIsEquallyLikely) {
  const std::int64_t count = 12;
  std::vector<std::int64_t> counts(static_cast<std::size_t>(count * count));
  for (std::uint64_t stream = 0; stream < 100000; ++stream) {
    const Permutation permutation(5, stream, count);
    ++counts[static_cast<std::size_t>(permutation.at(3) * count + permutation.at(4))];
  }
  std::vector<std::int64_t> different;
  for (std::int64_t i = 0; i < count; ++i)
    for (std::int64_t j = 0; j < count; ++j)
      if (i != j) different.push_back(counts[static_cast<std::size_t>(i * count + j)]);
  EXPECT_LT(chi_square_ratio(different), 1.5);
}

// Neighbours are not kept together: what follows i lands anywhere.
TEST(TrainPermutation, NeighboursAreSpread) {
  const std::int64_t count = 100000;
  const Permutation permutation(9, 1, count);
  std::vector<std::int64_t> counts(50);
  for (std::int64_t i = 0; i + 1 < count; ++i) {
    const std::int64_t apart = (permutation.at(i + 1) - permutation.at(i) + count) % count;
    ++counts[static_cast<std::size_t>(apart * 50 / count)];
  }
  EXPECT_LT(chi_square_ratio(counts), 1.9);
}

}  // namespace
}  // namespace shardmill::train
