#include <future>
#include <optional>

#include <gtest/gtest.h>

#include "infer/bounded_queue.hpp"

namespace shardmill::infer {
namespace {

struct Item {
  std::size_t size = 0;
  bool pressing = false;
  std::size_t bytes() const { return size; }
  bool urgent() const { return pressing; }
};

constexpr auto moment = std::chrono::milliseconds(200);

// Whether a push returns before anything is taken out. If not, it does once so many are: half of what is there.
template <typename T>
bool takes(BoundedQueue<T>& queue, T item, int half) {
  auto pushed = std::async(std::launch::async, [&queue, &item] { return queue.push(item); });
  const bool taken = pushed.wait_for(moment) == std::future_status::ready;
  for (int i = 0; i < half && !taken; ++i) static_cast<void>(queue.pop());
  EXPECT_TRUE(pushed.get());
  return taken;
}

TEST(BoundedQueue, TakesNoMoreThanItsCapacity) {
  BoundedQueue<int> queue(2);
  EXPECT_TRUE(queue.push(1));
  EXPECT_TRUE(queue.push(2));
  EXPECT_FALSE(takes(queue, 3, 1));
  EXPECT_EQ(queue.pop(), 2);
  EXPECT_EQ(queue.try_pop(), 3);
  EXPECT_EQ(queue.try_pop(), std::nullopt);
}

TEST(BoundedQueue, SmallItemsMayBeManyLargeOnesNot) {
  BoundedQueue<Item> queue(1, 100);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(queue.push({10}));
  EXPECT_FALSE(takes(queue, Item{10}, 5));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(queue.push({10}));
  EXPECT_FALSE(takes(queue, Item{11}, 5));
  while (queue.try_pop()) {
  }
  EXPECT_TRUE(queue.push({1'000'000}));  // whatever its size, as many as the capacity says
  EXPECT_FALSE(takes(queue, Item{1}, 1));
}

TEST(BoundedQueue, SmallItemsAreBoundedToo) {
  BoundedQueue<Item> queue(1, 100, 3);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(queue.push({0}));
  EXPECT_FALSE(takes(queue, Item{0}, 2));
}

TEST(BoundedQueue, WhoWaitsForRoomIsWokenWhenHalfOfItIsFree) {
  BoundedQueue<int> queue(4);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(queue.push(i));
  auto pushed = std::async(std::launch::async, [&queue] { return queue.push(4); });
  EXPECT_EQ(pushed.wait_for(moment), std::future_status::timeout);
  EXPECT_EQ(queue.pop(), 0);
  EXPECT_EQ(pushed.wait_for(moment), std::future_status::timeout);
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_TRUE(pushed.get());
  for (int i = 2; i < 5; ++i) EXPECT_EQ(queue.pop(), i);
}

constexpr auto for_ever = std::chrono::hours(1);

TEST(BoundedQueue, LingersUntilHalfOfTheRoomIsTaken) {
  BoundedQueue<Item> queue(4);
  auto popped = std::async(std::launch::async, [&queue] { return queue.pop(for_ever)->size; });
  for (std::size_t i = 0; i < 2; ++i) EXPECT_TRUE(queue.push({i}));
  EXPECT_EQ(popped.wait_for(moment), std::future_status::timeout);
  EXPECT_TRUE(queue.push({2}));
  EXPECT_EQ(popped.get(), 0U);
}

TEST(BoundedQueue, DoesNotLingerOverWhatIsUrgentOrClosed) {
  BoundedQueue<Item> queue(4);
  EXPECT_TRUE(queue.push({1, true}));
  EXPECT_EQ(queue.pop(for_ever)->size, 1U);
  auto popped = std::async(std::launch::async, [&queue] { return queue.pop(for_ever)->size; });
  EXPECT_TRUE(queue.push({2}));
  EXPECT_EQ(popped.wait_for(moment), std::future_status::timeout);
  EXPECT_TRUE(queue.push({3, true}));
  EXPECT_EQ(popped.get(), 2U);
  EXPECT_EQ(queue.try_pop()->size, 3U);
  auto last = std::async(std::launch::async, [&queue] { return queue.pop(for_ever)->size; });
  EXPECT_TRUE(queue.push({4}));
  EXPECT_EQ(last.wait_for(moment), std::future_status::timeout);
  queue.close();
  EXPECT_EQ(last.get(), 4U);
}

TEST(BoundedQueue, LingersNoLongerThanItIsTold) {
  BoundedQueue<Item> queue(4);
  EXPECT_TRUE(queue.push({1}));
  EXPECT_EQ(queue.pop(std::chrono::milliseconds(1))->size, 1U);
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
