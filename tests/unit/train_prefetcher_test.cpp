#include <atomic>
#include <chrono>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "train/prefetcher.hpp"

namespace shardmill::train {
namespace {

using Keys = std::vector<BatchKey>;

// Makes numbers, and notes what it was asked for.
class Maker {
 public:
  int operator()(BatchKey key) {
    {
      const std::lock_guard lock(mutex_);
      made_.push_back(key);
    }
    while (held_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (key.shard == 13) throw std::runtime_error("shard 13 of step " + std::to_string(key.step));
    return static_cast<int>(key.step * 100 + key.shard);
  }
  Keys made() const {
    const std::lock_guard lock(mutex_);
    return made_;
  }
  // Waits, for at most some seconds, until that many were asked for.
  bool wait_for(std::size_t count) const {
    for (int i = 0; i < 5000 && made().size() < count; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return made().size() >= count;
  }
  void hold(bool held) { held_ = held; }

 private:
  mutable std::mutex mutex_;
  Keys made_;
  std::atomic<bool> held_{false};
};

// Long enough for a thread that has something to do to begin it.
void settle() { std::this_thread::sleep_for(std::chrono::milliseconds(50)); }

TEST(TrainPrefetcher, MakesAheadButNotFurther) {
  Maker maker;
  Prefetcher<int> prefetcher([&](BatchKey key) { return maker(key); }, 2);
  prefetcher.plan({{0, 0}, {0, 1}, {1, 0}, {1, 1}});
  ASSERT_TRUE(maker.wait_for(2));
  settle();
  EXPECT_EQ(maker.made(), (Keys{{0, 0}, {0, 1}}));
  EXPECT_EQ(prefetcher.take({0, 0}), 0);
  EXPECT_TRUE(maker.wait_for(3));
  EXPECT_EQ(prefetcher.take({0, 1}), 1);
  EXPECT_EQ(prefetcher.take({1, 0}), 100);
  EXPECT_EQ(prefetcher.take({1, 1}), 101);
  EXPECT_EQ(maker.made().size(), 4U);
}

TEST(TrainPrefetcher, ANewPlanKeepsWhatIsReadyAndStillWanted) {
  Maker maker;
  Prefetcher<int> prefetcher([&](BatchKey key) { return maker(key); }, 2);
  prefetcher.plan({{0, 0}, {0, 1}, {0, 2}});
  ASSERT_TRUE(maker.wait_for(2));
  settle();
  prefetcher.plan({{0, 1}, {0, 5}, {1, 1}});
  EXPECT_EQ(prefetcher.take({0, 1}), 1);
  EXPECT_EQ(prefetcher.take({0, 5}), 5);
  EXPECT_EQ(prefetcher.take({1, 1}), 101);
  EXPECT_EQ(maker.made(), (Keys{{0, 0}, {0, 1}, {0, 5}, {1, 1}}));
}

TEST(TrainPrefetcher, WhatIsBeingMadeIsKeptIfStillWantedElseDropped) {
  for (const bool wanted : {true, false}) {
    Maker maker;
    maker.hold(true);
    Prefetcher<int> prefetcher([&](BatchKey key) { return maker(key); }, 1);
    prefetcher.plan({{0, 0}});
    ASSERT_TRUE(maker.wait_for(1));
    prefetcher.plan(wanted ? Keys{{0, 0}, {0, 1}} : Keys{{0, 1}});
    maker.hold(false);
    if (wanted) {
      EXPECT_EQ(prefetcher.take({0, 0}), 0);
    }
    EXPECT_EQ(prefetcher.take({0, 1}), 1);
    EXPECT_EQ(maker.made().size(), 2U);
  }
}

TEST(TrainPrefetcher, AnUnplannedKeyIsMadeEvenIfAllPlacesAreTaken) {
  Maker maker;
  Prefetcher<int> prefetcher([&](BatchKey key) { return maker(key); }, 1);
  prefetcher.plan({{0, 0}, {0, 1}, {0, 2}});
  ASSERT_TRUE(maker.wait_for(1));
  settle();
  EXPECT_EQ(prefetcher.take({7, 7}), 707);
  EXPECT_EQ(prefetcher.take({0, 2}), 2);
  settle();
  EXPECT_EQ(maker.made(), (Keys{{0, 0}, {7, 7}, {0, 2}})) << "no more than one batch ahead";
  EXPECT_EQ(prefetcher.take({0, 0}), 0);
  EXPECT_EQ(prefetcher.take({0, 1}), 1);
}

TEST(TrainPrefetcher, ExceptionsComeOutOfTakeAndTheRestGoesOn) {
  Maker maker;
  Prefetcher<int> prefetcher([&](BatchKey key) { return maker(key); }, 3);
  prefetcher.plan({{0, 13}, {0, 1}});
  try {
    prefetcher.take({0, 13});
    FAIL() << "nothing was thrown";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "shard 13 of step 0");
  }
  EXPECT_EQ(prefetcher.take({0, 1}), 1);
  EXPECT_THROW(prefetcher.take({0, 13}), std::runtime_error) << "made anew";
}

TEST(TrainPrefetcher, EndsWithBatchesLeftOver) {
  Maker maker;
  {
    Prefetcher<int> prefetcher([&](BatchKey key) { return maker(key); }, 1);
    prefetcher.plan({{0, 0}, {0, 1}, {0, 2}});
    ASSERT_TRUE(maker.wait_for(1));
  }
  {
    const Prefetcher<int> idle([&](BatchKey key) { return maker(key); }, 1);
  }
  EXPECT_LE(maker.made().size(), 2U);
}

TEST(TrainPrefetcher, ManyPlansInARow) {
  Maker maker;
  Prefetcher<int> prefetcher([&](BatchKey key) { return maker(key); }, 3);
  for (std::int64_t step = 0; step < 500; ++step) {
    Keys keys;
    for (std::int64_t ahead = step; ahead < step + 3; ++ahead)
      for (std::int64_t shard = step % 3; shard < 4; ++shard) keys.push_back({ahead, shard});
    prefetcher.plan(keys);
    for (std::int64_t shard = step % 3; shard < 4; ++shard) {
      if (shard == 2 && step % 5 == 0) prefetcher.plan(keys);  // also asks for what was taken
      ASSERT_EQ(prefetcher.take({step, shard}), step * 100 + shard);
    }
  }
}

}  // namespace
}  // namespace shardmill::train
