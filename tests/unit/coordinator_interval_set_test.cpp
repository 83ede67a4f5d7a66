#include <random>
#include <set>

#include <gtest/gtest.h>

#include "coordinator/interval_set.hpp"
#include "job/error.hpp"

namespace shardmill::coordinator {
namespace {

TEST(IntervalSet, MergesWhatTouches) {
  IntervalSet set;
  EXPECT_TRUE(set.empty());
  EXPECT_FALSE(set.first());
  set.insert(1);
  set.insert(3);
  EXPECT_EQ(set.intervals().size(), 2U);
  set.insert(2);
  EXPECT_EQ(set.intervals().size(), 1U);
  EXPECT_EQ(set.size(), 3);
  set.insert(0, 10);
  EXPECT_EQ(set, IntervalSet(0, 10));
}

TEST(IntervalSet, RefusesWhatIsNoIntervalAndWhatIsNotThere) {
  IntervalSet set;
  EXPECT_THROW(set.insert(3, 3), CheckFailure);
  EXPECT_THROW(set.insert(4, 3), CheckFailure);
  EXPECT_THROW(set.erase(3), CheckFailure);
  EXPECT_THROW(set.pop_first(), CheckFailure);
  EXPECT_EQ(IntervalSet(5, 5), IntervalSet());
}

TEST(IntervalSet, IsASetOfIntegers) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    IntervalSet set;
    std::set<std::int64_t> model;
    for (int i = 0; i < 200; ++i) {
      const std::int64_t value = static_cast<std::int64_t>(random() % 50) - 10;
      switch (random() % 5) {
        case 0:
          set.insert(value);
          model.insert(value);
          break;
        case 1: {
          const std::int64_t last = value + 1 + static_cast<std::int64_t>(random() % 8);
          set.insert(value, last);
          for (std::int64_t v = value; v < last; ++v) model.insert(v);
          break;
        }
        case 2:
          if (model.erase(value) > 0) set.erase(value);
          break;
        case 3:
          if (!model.empty()) {
            EXPECT_EQ(set.pop_first(), *model.begin());
            model.erase(model.begin());
          }
          break;
        default:
          EXPECT_EQ(set.contains(value), model.contains(value));
      }
      ASSERT_EQ(set.size(), static_cast<std::int64_t>(model.size()));
      ASSERT_EQ(set.empty(), model.empty());
      if (!model.empty()) {
        ASSERT_EQ(*set.first(), *model.begin());
      }
    }
    std::set<std::int64_t> values;
    std::int64_t before = -1000;
    for (const auto& [first, last] : set.intervals()) {
      EXPECT_GT(first, before);  // apart, not only in order
      before = last;
      for (std::int64_t v = first; v < last; ++v) values.insert(v);
    }
    EXPECT_EQ(values, model);
  }
}

}  // namespace
}  // namespace shardmill::coordinator
