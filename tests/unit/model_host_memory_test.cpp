#include <cstring>
#include <thread>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model/host_memory.hpp"

namespace shardmill::model {
namespace {

at::Tensor floats(std::int64_t count) { return at::empty({count}, at::kFloat); }

class HostMemoryTest : public testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__)
    GTEST_SKIP() << "not in builds with AddressSanitizer";
#endif
    keep_host_memory();
  }
};

TEST_F(HostMemoryTest, ABlockIsUsedAgain) {
  const void* first = floats(1 << 20).data_ptr();
  const HostMemory before = host_memory();
  EXPECT_GE(before.free, std::size_t{4} << 20);
  const at::Tensor again = floats(1 << 20);
  EXPECT_EQ(again.data_ptr(), first);
  EXPECT_LT(host_memory().free, before.free);
}

TEST_F(HostMemoryTest, BlocksOfAllSizesAreAlignedAndApart) {
  std::vector<at::Tensor> tensors;
  for (const std::int64_t count : {1, 15, 16, 17, 16'000, 16'384, 16'385, 100'000, 1'048'576, 1'048'577, 5'000'000}) {
    for (int i = 0; i < 3; ++i) tensors.push_back(floats(count));
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensors[i].data_ptr()) % 64, 0U);
    tensors[i].fill_(static_cast<float>(i));
  }
  for (std::size_t i = 0; i < tensors.size(); ++i)
    EXPECT_TRUE(at::all(tensors[i] == static_cast<float>(i)).item<bool>());
}

TEST_F(HostMemoryTest, WhatLiesFreeIsBounded) {
  { const at::Tensor large = floats(8 << 20); }
  const std::size_t peak = host_memory().peak_used;
  for (std::int64_t count = 20'000; count < (8 << 20); count += count / 3) {
    const at::Tensor one = floats(count);
    const HostMemory now = host_memory();
    EXPECT_LE(now.used + now.free, 2 * now.peak_used) << count;
  }
  EXPECT_EQ(host_memory().peak_used, peak) << "one tensor at a time needs no more than the largest";
  EXPECT_EQ(host_memory().used, 0U);
}

TEST_F(HostMemoryTest, LayersOfDifferentSizesGetTheirBlocksAgain) {
  // As in a network whose pictures shrink: two at a time, each half as large as the one before.
  std::vector<std::size_t> mapped;
  for (int pass = 0; pass < 4; ++pass) {
    at::Tensor before = floats(16 << 20);
    for (std::int64_t count = 16 << 20; count >= (1 << 20); count /= 2) before = floats(count);
    mapped.push_back(host_memory().mapped);
  }
  EXPECT_EQ(mapped[1], mapped[3]) << "nothing new is needed once there is a block for each";
}

TEST_F(HostMemoryTest, TensorsMayChangeThreads) {
  for (int round = 0; round < 20; ++round) {
    std::vector<at::Tensor> made(8);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < made.size(); ++i) {
      threads.emplace_back([&made, i] { made[i] = at::full({100'000}, static_cast<float>(i), at::kFloat); });
    }
    for (std::thread& thread : threads) thread.join();
    threads.clear();
    for (std::size_t i = 0; i < made.size(); ++i) {
      EXPECT_EQ(made[i][99'999].item<float>(), static_cast<float>(i));
      threads.emplace_back([&made, i] { made[i].reset(); });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

TEST_F(HostMemoryTest, EmptyTensorsAndMoreThanThereIs) {
  EXPECT_EQ(floats(0).numel(), 0);
  EXPECT_THROW(floats(std::int64_t{1} << 50), c10::Error);
}

}  // namespace
}  // namespace shardmill::model
