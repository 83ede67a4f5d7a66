#include <cmath>
#include <map>
#include <numeric>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "job/error.hpp"
#include "train/optimizer.hpp"

namespace shardmill::train {
namespace {

// tests/interop/check_training_numerics.py compares 50 steps of each with torch.optim.
const std::int64_t count = 5 * chunk_elements + 12345;
const std::int64_t decayed = 2 * chunk_elements + 777;

std::vector<job::Optimizer> optimizers() {
  std::vector<job::Optimizer> all(5);
  all[0].type = job::OptimizerType::sgd;
  all[1].type = job::OptimizerType::sgd;
  all[1].momentum = 0.9;
  all[2] = all[1];
  all[2].nesterov = true;
  all[3].type = job::OptimizerType::adam;
  all[4].type = job::OptimizerType::adamw;
  for (job::Optimizer& optimizer : all) optimizer.weight_decay = 0.01;
  return all;
}

at::Tensor values(std::int64_t seed, std::int64_t size = count) {
  return at::sin(at::arange(size, at::kFloat).mul_(1.7).add_(static_cast<double>(seed)));
}

// Restores the number of threads.
class Threads {
 public:
  explicit Threads(int threads) : before_(at::get_num_threads()) { at::set_num_threads(threads); }
  ~Threads() { at::set_num_threads(before_); }

 private:
  int before_;
};

using State = std::map<std::string, at::Tensor>;

// Five steps, of which each updates the slices in the order given; then parameters and state.
State trained(const job::Optimizer& optimizer, const std::vector<Slice>& slices, int threads) {
  const Threads set(threads);
  at::Tensor parameters = values(1);
  FlatOptimizer flat(optimizer, count, decayed, at::kCPU);
  for (std::int64_t step = 0; step < 5; ++step)
    flat.step(parameters, values(10 + step), 0.01 + 0.001 * static_cast<double>(step), step == 2 ? 0.37 : 1, slices);
  State all = {{"parameters", parameters}};
  for (const auto& [name, tensor] : flat.state()) all.emplace(name, tensor);
  return all;
}

void expect_same_bits(const State& got, const State& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (const auto& [name, tensor] : expected) EXPECT_TRUE(at::equal(got.at(name), tensor)) << name;
}

TEST(TrainOptimizer, BitsDoNotDependOnSlicesOrThreads) {
  const std::int64_t c = chunk_elements;
  for (const job::Optimizer& optimizer : optimizers()) {
    SCOPED_TRACE(static_cast<int>(optimizer.type));
    const State whole = trained(optimizer, {{0, count}}, 1);
    EXPECT_FALSE(at::equal(whole.at("parameters"), values(1)));
    for (const int threads : {1, 2, 3}) {
      SCOPED_TRACE(threads);
      expect_same_bits(trained(optimizer, {{0, count}}, threads), whole);
      expect_same_bits(trained(optimizer, {{0, c}, {c, 4 * c}, {4 * c, count}}, threads), whole);
      expect_same_bits(trained(optimizer, {{3 * c, count}, {3 * c, 3 * c}, {0, 3 * c}}, threads), whole);
    }
  }
}

// As with optimizer sharding: each rank has state for its slices alone, and the others' parameters stay as they are.
TEST(TrainOptimizer, StateOfASliceAloneIsEnough) {
  const std::int64_t c = chunk_elements;
  for (const job::Optimizer& optimizer : optimizers()) {
    const State whole = trained(optimizer, {{0, count}}, 1);
    at::Tensor together = values(1);
    for (const Slice& slice : {Slice{0, 2 * c}, Slice{2 * c, 3 * c}, Slice{3 * c, count}}) {
      at::Tensor parameters = values(1);
      FlatOptimizer flat(optimizer, count, decayed, at::kCPU, slice);
      for (std::int64_t step = 0; step < 5; ++step)
        flat.step(parameters, values(10 + step), 0.01 + 0.001 * static_cast<double>(step), step == 2 ? 0.37 : 1,
                  slice.first, slice.last);
      for (const auto& [name, tensor] : flat.state())
        EXPECT_TRUE(at::equal(tensor, whole.at(name).narrow(0, slice.first, slice.size()))) << name;
      EXPECT_TRUE(at::equal(parameters.narrow(0, 0, slice.first), values(1).narrow(0, 0, slice.first)));
      together.narrow(0, slice.first, slice.size()).copy_(parameters.narrow(0, slice.first, slice.size()));
    }
    EXPECT_TRUE(at::equal(together, whole.at("parameters")));
  }
}

TEST(TrainOptimizer, RestoredStateGoesOnTheSame) {
  for (const job::Optimizer& optimizer : optimizers()) {
    at::Tensor parameters = values(1);
    FlatOptimizer flat(optimizer, count, decayed, at::kCPU);
    for (int step = 0; step < 3; ++step) flat.step(parameters, values(step), 0.1, 1, 0, count);
    at::Tensor copied = parameters.clone();
    FlatOptimizer restored(optimizer, count, decayed, at::kCPU);
    for (std::size_t i = 0; i < flat.state().size(); ++i) restored.state()[i].second.copy_(flat.state()[i].second);
    restored.set_steps(flat.steps());
    flat.step(parameters, values(9), 0.1, 1, 0, count);
    restored.step(copied, values(9), 0.1, 1, 0, count);
    EXPECT_TRUE(at::equal(parameters, copied));
    EXPECT_EQ(restored.steps(), 4);
  }
}

TEST(TrainOptimizer, DecaysTheFirstRegionAlone) {
  job::Optimizer optimizer;
  optimizer.weight_decay = 0.5;
  at::Tensor parameters = at::ones({10});
  FlatOptimizer flat(optimizer, 10, 4, at::kCPU);
  flat.step(parameters, at::zeros({10}), 0.1, 1, 0, 10);
  EXPECT_TRUE(at::allclose(parameters.narrow(0, 0, 4), at::full({4}, 0.95)));
  EXPECT_TRUE(at::equal(parameters.narrow(0, 4, 6), at::ones({6})));
  EXPECT_TRUE(flat.state().empty());
}

// Whole chunks are updated together, but not across the border.
TEST(TrainOptimizer, TheRegionsMayMeetOnTheGrid) {
  const std::int64_t c = chunk_elements;
  job::Optimizer optimizer;
  optimizer.weight_decay = 0.5;
  at::Tensor parameters = at::ones({4 * c});
  FlatOptimizer flat(optimizer, 4 * c, 2 * c, at::kCPU);
  flat.step(parameters, at::zeros({4 * c}), 0.1, 1, 0, 4 * c);
  EXPECT_TRUE(at::allclose(parameters.narrow(0, 0, 2 * c), at::full({2 * c}, 0.95)));
  EXPECT_TRUE(at::equal(parameters.narrow(0, 2 * c, 2 * c), at::ones({2 * c})));
}

TEST(TrainOptimizer, ScalesTheGradientAndLeavesItAsItIs) {
  job::Optimizer optimizer;
  at::Tensor parameters = at::zeros({3});
  const at::Tensor gradient = at::full({3}, 2.0);
  FlatOptimizer flat(optimizer, 3, 3, at::kCPU);
  flat.step(parameters, gradient, 1, 0.25, 0, 3);
  EXPECT_TRUE(at::equal(parameters, at::full({3}, -0.5)));
  EXPECT_TRUE(at::equal(gradient, at::full({3}, 2.0)));
}

TEST(TrainOptimizer, AStepOfNoSlicesCounts) {
  FlatOptimizer flat(optimizers()[4], count, decayed, at::kCPU, Slice{0, 0});
  at::Tensor parameters = values(1);
  flat.step(parameters, values(2), 0.1, 1, {});
  EXPECT_EQ(flat.steps(), 1);
  EXPECT_TRUE(at::equal(parameters, values(1)));
  EXPECT_EQ(flat.state()[0].second.numel(), 0);
}

TEST(TrainOptimizer, RefusesSlicesOffTheGrid) {
  FlatOptimizer flat(optimizers()[1], count, decayed, at::kCPU, Slice{0, chunk_elements});
  at::Tensor parameters = values(1);
  EXPECT_THROW(flat.step(parameters, values(2), 0.1, 1, 0, chunk_elements - 1), CheckFailure);
  EXPECT_THROW(flat.step(parameters, values(2), 0.1, 1, 0, 2 * chunk_elements), CheckFailure);
  EXPECT_THROW(flat.step(parameters, values(2, count - 1), 0.1, 1, 0, chunk_elements), CheckFailure);
  EXPECT_THROW(FlatOptimizer(optimizers()[1], count, decayed, at::kCPU, Slice{5, chunk_elements}), CheckFailure);
}

TEST(TrainChunks, CoverTheSliceAndAreCutAtTheBorder) {
  const std::int64_t c = chunk_elements;
  EXPECT_EQ(chunks_of({0, 2 * c + 5}), (std::vector<Slice>{{0, c}, {c, 2 * c}, {2 * c, 2 * c + 5}}));
  EXPECT_EQ(chunks_of({c, 3 * c}, c + 7), (std::vector<Slice>{{c, c + 7}, {c + 7, 2 * c}, {2 * c, 3 * c}}));
  EXPECT_EQ(chunks_of({0, 2 * c}, c), (std::vector<Slice>{{0, c}, {c, 2 * c}}));
  EXPECT_TRUE(chunks_of({c, c}).empty());
}

}  // namespace
}  // namespace shardmill::train
