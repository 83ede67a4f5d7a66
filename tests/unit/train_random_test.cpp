#include <cmath>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "train/random.hpp"

namespace shardmill::train {
namespace {

using Counter = std::array<std::uint32_t, 4>;

// The known answers that come with the authors' Random123 library.
TEST(TrainRandom, PhiloxGivesTheKnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const std::uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox4x32({ones, ones, ones, ones}, {ones, ones}),
            (Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(TrainRandom, DrawsDependOnSeedEpochAndRecord) {
  std::set<std::uint32_t> first;
  for (const std::uint64_t seed : {0UL, 1UL, 1UL << 32})
    for (const std::int64_t epoch : {0, 1})
      for (const std::int64_t record : {0L, 1L, 1L << 32}) first.insert(RecordRandom(seed, epoch, record).next());
  EXPECT_EQ(first.size(), 18U);
}

TEST(TrainRandom, DrawsOfARecordAreThoseOfItsCounters) {
  RecordRandom random(1, 2, 3);
  for (std::uint32_t block = 0; block < 3; ++block)
    for (const std::uint32_t word : philox4x32({block, 2, 3, 0}, {1, 0})) EXPECT_EQ(random.next(), word);
}

TEST(TrainRandom, UniformAndBelowAreUniform) {
  const int draws = 100000;
  std::vector<int> uniform(10);
  std::vector<int> below(9);
  for (int record = 0; record < draws; ++record) {
    RecordRandom random(3, 0, record);
    const double x = random.uniform();
    ASSERT_TRUE(x >= 0 && x < 1);
    ++uniform[static_cast<std::size_t>(x * 10)];
    ++below.at(random.below(9));
  }
  const auto near = [](int count, double expected) { return std::abs(count - expected) < 5 * std::sqrt(expected); };
  for (const int count : uniform) EXPECT_TRUE(near(count, draws / 10.0)) << count;
  for (const int count : below) EXPECT_TRUE(near(count, draws / 9.0)) << count;
  EXPECT_EQ(RecordRandom(1, 1, 1).below(1), 0U);
}

}  // namespace
}  // namespace shardmill::train
