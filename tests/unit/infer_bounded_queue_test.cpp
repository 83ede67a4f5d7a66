#include <future>
#include <optional>

#include <gtest/gtest.h>

#include "infer/bounded_queue.hpp"

namespace shardmill::infer {
namespace {

struct Item {
  std::size_t size = 0;
  std::size_t bytes() const { return size; }
};

// Whether a push returns before anything is taken out.
template <typename T>
bool takes(BoundedQueue<T>& queue, T item) {
  auto pushed = std::async(std::launch::async, [&queue, &item] { return queue.push(item); });
  const bool taken = pushed.wait_for(std::chrono::milliseconds(200)) == std::future_status::ready;
  if (!taken) static_cast<void>(queue.pop());
  EXPECT_TRUE(pushed.get());
  return taken;
}

TEST(BoundedQueue, TakesNoMoreThanItsCapacity) {
  BoundedQueue<int> queue(2);
  EXPECT_TRUE(queue.push(1));
  EXPECT_TRUE(queue.push(2));
  EXPECT_FALSE(takes(queue, 3));
  EXPECT_EQ(queue.pop(), 2);
  EXPECT_EQ(queue.try_pop(), 3);
  EXPECT_EQ(queue.try_pop(), std::nullopt);
}

TEST(BoundedQueue, SmallItemsMayBeManyLargeOnesNot) {
  BoundedQueue<Item> queue(1, 100);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(queue.push({10}));
  EXPECT_FALSE(takes(queue, Item{10}));  // which takes one out, so that it fits
  static_cast<void>(queue.pop());
  EXPECT_FALSE(takes(queue, Item{11}));
  while (queue.try_pop()) {
  }
  EXPECT_TRUE(queue.push({1'000'000}));  // whatever its size, as many as the capacity says
  EXPECT_FALSE(takes(queue, Item{1}));
}

TEST(BoundedQueue, SmallItemsAreBoundedToo) {
  BoundedQueue<Item> queue(1, 100);
  for (std::size_t i = 0; i < BoundedQueue<Item>::most_small; ++i) EXPECT_TRUE(queue.push({0}));
  EXPECT_FALSE(takes(queue, Item{0}));
}

TEST(BoundedQueue, ClosedTakesNothingMoreAndGivesWhatItHas) {
  BoundedQueue<int> queue(2);
  EXPECT_TRUE(queue.push(1));
  queue.close();
  EXPECT_FALSE(queue.push(2));
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_EQ(queue.pop(), std::nullopt);
}

}  // namespace
}  // namespace shardmill::infer
