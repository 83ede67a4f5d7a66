#include <cmath>
#include <functional>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "job/error.hpp"
#include "train/loss.hpp"

namespace shardmill::train {
namespace {

// tests/interop/check_training_numerics.py compares losses and gradients with PyTorch's.
job::Loss loss_of(job::LossType type, double label_smoothing = 0) {
  job::Loss loss;
  loss.type = type;
  loss.label_smoothing = label_smoothing;
  return loss;
}

double sum_of(const job::Loss& loss, const at::Tensor& output, const at::Tensor& target) {
  return loss_sum(loss, output, target).item<double>();
}

std::string model_error(const std::function<void()>& call) {
  try {
    call();
  } catch (const ModelError& error) {
    return error.what();
  }
  return "";
}

void expect_said(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << "in: '" << message << "'";
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
}

at::Tensor longs(std::vector<std::int64_t> values) { return at::tensor(values, at::kLong); }

TEST(TrainLoss, CrossEntropyOfKnownProbabilities) {
  const at::Tensor logits = at::log(at::tensor({0.5F, 0.25F, 0.25F, 0.1F, 0.1F, 0.8F}).view({2, 3}));
  const job::Loss loss = loss_of(job::LossType::cross_entropy);
  EXPECT_NEAR(sum_of(loss, logits, longs({0, 2})), -std::log(0.5) - std::log(0.8), 1e-6);
  EXPECT_NEAR(sum_of(loss, logits, longs({0, 2}).view({2, 1})), -std::log(0.5) - std::log(0.8), 1e-6);
  const double smooth = -0.7 * std::log(0.5) - 0.1 * (std::log(0.5) + 2 * std::log(0.25));
  EXPECT_NEAR(sum_of(loss_of(job::LossType::cross_entropy, 0.3), logits.narrow(0, 0, 1), longs({0})), smooth, 1e-6);
}

TEST(TrainLoss, ValuesOfARecordAreAveragedAndRecordsSummed) {
  const at::Tensor output = at::tensor({1.0F, 3.0F, 0.0F, 0.0F}).view({2, 2});
  const at::Tensor target = at::zeros({2, 2});
  EXPECT_EQ(sum_of(loss_of(job::LossType::mse), output, target), 5);
  EXPECT_EQ(sum_of(loss_of(job::LossType::l1), output, target), 2);
  EXPECT_NEAR(sum_of(loss_of(job::LossType::bce_with_logits), at::zeros({3, 4}), at::ones({3, 4})), 3 * std::log(2.0),
              1e-6);
}

TEST(TrainLoss, NextTokenAveragesOverTheTokens) {
  const at::Tensor output = at::zeros({2, 5, 7});
  const at::Tensor target = at::zeros({2, 5}, at::kLong);
  EXPECT_NEAR(sum_of(loss_of(job::LossType::next_token), output, target), 2 * std::log(7.0), 1e-5);
  at::Tensor certain = at::zeros({1, 2, 3});
  certain[0][0][2] = 100;
  certain[0][1][1] = 100;
  EXPECT_NEAR(sum_of(loss_of(job::LossType::next_token), certain, longs({2, 1}).view({1, 2})), 0, 1e-6);
}

// What the trainer stands on: the parts' sums are those of the whole.
TEST(TrainLoss, PartsAddUp) {
  const at::Tensor output = at::sin(at::arange(60, at::kFloat)).view({12, 5});
  const at::Tensor target = at::arange(12, at::kLong).remainder(5);
  const job::Loss loss = loss_of(job::LossType::cross_entropy, 0.1);
  double parts = 0;
  for (std::int64_t first = 0; first < 12; first += 4)
    parts += sum_of(loss, output.narrow(0, first, 4), target.narrow(0, first, 4));
  EXPECT_NEAR(parts, sum_of(loss, output, target), 1e-5);
}

TEST(TrainLoss, NoRecordsAreNoLoss) {
  EXPECT_EQ(sum_of(loss_of(job::LossType::cross_entropy), at::zeros({0, 3}), at::zeros({0}, at::kLong)), 0);
  EXPECT_EQ(sum_of(loss_of(job::LossType::next_token), at::zeros({0, 4, 3}), at::zeros({0, 4}, at::kLong)), 0);
  EXPECT_EQ(sum_of(loss_of(job::LossType::mse), at::zeros({0, 3}), at::zeros({0, 3})), 0);
}

TEST(TrainLoss, TrailingOnesAreNoDifference) {
  const at::Tensor output = at::ones({4, 1});
  EXPECT_EQ(sum_of(loss_of(job::LossType::mse), output, at::zeros({4})), 4);
  EXPECT_EQ(sum_of(loss_of(job::LossType::mse), output.view({4}), at::zeros({4, 1})), 4);
}

TEST(TrainLoss, NarrowOutputsAreWidened) {
  const at::Tensor output = at::ones({2, 3}, at::kBFloat16);
  const at::Tensor loss = loss_sum(loss_of(job::LossType::cross_entropy), output, longs({0, 1}));
  EXPECT_EQ(loss.scalar_type(), at::kFloat);
  EXPECT_NEAR(loss.item<double>(), 2 * std::log(3.0), 1e-6);
}

TEST(TrainLoss, GradientsFlow) {
  at::Tensor output = at::ones({2, 2}).requires_grad_();
  loss_sum(loss_of(job::LossType::mse), output, at::zeros({2, 2})).div(2).backward();
  EXPECT_TRUE(at::allclose(output.grad(), at::full({2, 2}, 0.5)));
}

TEST(TrainLoss, SaysWhatDoesNotFit) {
  const job::Loss classes = loss_of(job::LossType::cross_entropy);
  expect_said(model_error([&] {
                loss_sum(classes, at::zeros({4, 3}), longs({0, 1, 2}));
              }),
              "the loss cross_entropy needs a target of shape [4] for this output: the model's output is Float [4, 3]");
  expect_said(model_error([&] { loss_sum(classes, at::zeros({4, 3}), at::zeros({4})); }), "class indices");
  expect_said(model_error([&] { loss_sum(classes, at::zeros({4}), longs({0, 1, 0, 1})); }), "[records, classes, ...]");
  expect_said(model_error([&] { loss_sum(classes, at::zeros({1, 3}), longs({3})); }), "out of bounds");
  expect_said(model_error([&] { loss_sum(classes, at::zeros({1, 3}), longs({-100})); }), "out of bounds");
  expect_said(model_error([&] {
                loss_sum(loss_of(job::LossType::cross_entropy, 0.1), at::zeros({1, 3}), longs({-100}));
              }),
              "out of bounds");
  expect_said(model_error([&] { loss_sum(classes, at::zeros({1, 3}, at::kLong), longs({0})); }), "real numbers");
  expect_said(model_error([&] {
                loss_sum(loss_of(job::LossType::mse), at::zeros({4, 3}), at::zeros({4}));
              }),
              "the loss mse needs an output of the target's shape");
  expect_said(model_error([&] {
                loss_sum(loss_of(job::LossType::next_token), at::zeros({4, 3, 7}), at::zeros({4, 2}, at::kLong));
              }),
              "[records, tokens, vocabulary]");
}

}  // namespace
}  // namespace shardmill::train
