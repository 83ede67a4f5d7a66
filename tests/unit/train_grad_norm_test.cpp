#include <cmath>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "train/grad_norm.hpp"

namespace shardmill::train {
namespace {

const std::int64_t count = 7 * chunk_elements + 4321;

at::Tensor gradient() { return at::sin(at::arange(count, at::kFloat).mul_(2.3)).mul_(at::arange(count, at::kFloat)); }

TEST(TrainGradNorm, IsTheL2Norm) {
  EXPECT_EQ(grad_norm(at::tensor({3.0F, 4.0F})), 5);
  EXPECT_EQ(grad_norm(at::zeros({0})), 0);
  EXPECT_EQ(grad_norm(at::ones({16})), 4);
  const double expected = at::linalg_vector_norm(gradient().to(at::kDouble)).item<double>();
  EXPECT_NEAR(grad_norm(gradient()) / expected, 1, 1e-12);
}

TEST(TrainGradNorm, BitsDoNotDependOnThreadsOrSlices) {
  const at::Tensor values = gradient();
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const double expected = grad_norm(values);
  for (const int threads : {1, 2, 3, 5}) {
    at::set_num_threads(threads);
    EXPECT_EQ(grad_norm(values), expected) << threads;
    std::vector<double> squares;
    for (const Slice& slice : {Slice{0, chunk_elements}, Slice{chunk_elements, chunk_elements},
                               Slice{chunk_elements, 5 * chunk_elements}, Slice{5 * chunk_elements, count}}) {
      const auto part = chunk_squares(values, slice);
      squares.insert(squares.end(), part.begin(), part.end());
    }
    EXPECT_EQ(norm_of(squares), expected) << threads;
  }
  at::set_num_threads(before);
}

TEST(TrainGradNorm, LargeValuesDoNotOverflowAndNanComesThrough) {
  EXPECT_NEAR(grad_norm(at::full({4}, 1e30F)) / 2e30, 1, 1e-6);
  EXPECT_TRUE(std::isnan(grad_norm(at::full({4}, NAN))));
  EXPECT_TRUE(std::isinf(grad_norm(at::full({20}, INFINITY))));
}

}  // namespace
}  // namespace shardmill::train
