#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "job/error.hpp"
#include "train/evaluation.hpp"

namespace shardmill::train {
namespace {

using Metric = job::EvaluationMetric;

job::Loss loss_of(job::LossType type, double label_smoothing = 0) {
  job::Loss loss;
  loss.type = type;
  loss.label_smoothing = label_smoothing;
  return loss;
}

at::Tensor longs(std::vector<std::int64_t> values) { return at::tensor(values, at::kLong); }

TEST(TrainEvaluation, CountsClassesAndTheFiveHighest) {
  const at::Tensor output = at::arange(8, at::kFloat).repeat({4, 1});  // the highest is 7, the five are 3 to 7
  const auto sums =
      evaluate(loss_of(job::LossType::cross_entropy), {Metric::accuracy, Metric::top_5}, output, longs({7, 3, 2, 0}));
  EXPECT_EQ(sums.records, 4);
  EXPECT_EQ(sums.correct, 1);
  EXPECT_EQ(sums.correct_in_five, 2);
  EXPECT_EQ(finish(Metric::accuracy, sums), 0.25);
  EXPECT_EQ(finish(Metric::top_5, sums), 0.5);
}

TEST(TrainEvaluation, AgreesWithArgmaxAlsoOnTies) {
  const at::Tensor output = at::sin(at::arange(3000, at::kFloat)).mul(2).round().view({300, 10});  // many are equal
  const at::Tensor target = at::arange(300, at::kLong).remainder(10);
  const auto sums = evaluate(loss_of(job::LossType::cross_entropy), {Metric::accuracy}, output, target);
  EXPECT_EQ(sums.correct, output.argmax(1).eq(target).sum().item<std::int64_t>());
  EXPECT_GT(sums.correct, 10);
}

TEST(TrainEvaluation, NanIsNeverRight) {
  const at::Tensor output = at::full({2, 10}, NAN);
  const auto sums =
      evaluate(loss_of(job::LossType::cross_entropy), {Metric::accuracy, Metric::top_5}, output, longs({0, 1}));
  EXPECT_EQ(sums.correct, 0);
  EXPECT_EQ(sums.correct_in_five, 0);
  const auto binary = evaluate(loss_of(job::LossType::bce_with_logits), {Metric::accuracy}, output, at::zeros({2, 10}));
  EXPECT_EQ(binary.correct, 0);
}

TEST(TrainEvaluation, TokensAreCountedEach) {
  at::Tensor output = at::zeros({2, 3, 4});
  for (std::int64_t record = 0; record < 2; ++record)
    for (std::int64_t token = 0; token < 3; ++token) output[record][token][token] = 50;
  const auto sums = evaluate(loss_of(job::LossType::next_token), {Metric::accuracy, Metric::perplexity}, output,
                             longs({0, 1, 2, 0, 1, 3}).view({2, 3}));
  EXPECT_EQ(sums.records, 2);
  EXPECT_EQ(sums.predictions, 6);
  EXPECT_EQ(sums.correct, 5);
  EXPECT_NEAR(finish(Metric::loss, sums), 50.0 / 6, 1e-4);
  EXPECT_NEAR(finish(Metric::perplexity, sums), std::exp(50.0 / 6), 1);
}

TEST(TrainEvaluation, PerplexityIsWithoutLabelSmoothing) {
  const at::Tensor output = at::sin(at::arange(12, at::kFloat)).view({4, 3});
  const at::Tensor target = longs({0, 1, 2, 0});
  const auto smooth = evaluate(loss_of(job::LossType::cross_entropy, 0.2), {Metric::perplexity}, output, target);
  const auto plain = evaluate(loss_of(job::LossType::cross_entropy), {Metric::perplexity}, output, target);
  EXPECT_NE(smooth.loss, plain.loss);
  EXPECT_EQ(finish(Metric::perplexity, smooth), finish(Metric::perplexity, plain));
}

TEST(TrainEvaluation, ErrorsAreMeansOverTheRecords) {
  const at::Tensor output = at::tensor({1.0F, 3.0F, 0.0F, -2.0F}).view({2, 2});
  const auto sums = evaluate(loss_of(job::LossType::l1), {Metric::mean_absolute_error, Metric::mean_squared_error},
                             output, at::zeros({2, 2}));
  EXPECT_EQ(finish(Metric::mean_absolute_error, sums), 1.5);
  EXPECT_EQ(finish(Metric::mean_squared_error, sums), 3.5);
  const at::Tensor wide = output.to(at::kDouble);
  evaluate(loss_of(job::LossType::mse), {Metric::mean_squared_error}, wide, at::ones({2, 2}));
  EXPECT_TRUE(at::equal(wide, output.to(at::kDouble))) << "the output is not changed";
}

TEST(TrainEvaluation, BinaryAccuracyCountsEachValue) {
  const auto sums =
      evaluate(loss_of(job::LossType::bce_with_logits), {Metric::accuracy},
               at::tensor({-1.0F, 1.0F, 2.0F, -3.0F}).view({2, 2}), at::tensor({0.0F, 1.0F, 0.0F, 0.0F}).view({2, 2}));
  EXPECT_EQ(finish(Metric::accuracy, sums), 0.75);
}

TEST(TrainEvaluation, BlocksAddUp) {
  const at::Tensor output = at::sin(at::arange(60, at::kFloat)).view({12, 5});
  const at::Tensor target = at::arange(12, at::kLong).remainder(5);
  const std::vector<Metric> metrics = {Metric::accuracy, Metric::top_5, Metric::perplexity};
  const auto whole = evaluate(loss_of(job::LossType::cross_entropy), metrics, output, target);
  EvaluationSums sums;
  for (std::int64_t first = 0; first < 12; first += 3)
    sums += evaluate(loss_of(job::LossType::cross_entropy), metrics, output.narrow(0, first, 3),
                     target.narrow(0, first, 3));
  EXPECT_EQ(sums.records, whole.records);
  EXPECT_EQ(sums.correct, whole.correct);
  EXPECT_EQ(sums.correct_in_five, 12);
  for (const Metric metric : metrics) EXPECT_NEAR(finish(metric, sums), finish(metric, whole), 1e-6);
  EXPECT_NEAR(finish(Metric::loss, sums), finish(Metric::loss, whole), 1e-6);
}

TEST(TrainEvaluation, NoRecordsHaveNoValue) {
  const auto sums =
      evaluate(loss_of(job::LossType::mse), {Metric::mean_squared_error}, at::zeros({0, 3}), at::zeros({0, 3}));
  EXPECT_EQ(sums, EvaluationSums{});
  for (const Metric metric : {Metric::loss, Metric::accuracy, Metric::mean_squared_error})
    EXPECT_TRUE(std::isnan(finish(metric, sums)));
}

TEST(TrainEvaluation, AMetricThatDoesNotFitTheLossIsRefused) {
  EXPECT_THROW(evaluate(loss_of(job::LossType::mse), {Metric::accuracy}, at::zeros({2, 3}), at::zeros({2, 3})),
               ModelError);
  EXPECT_THROW(
      evaluate(loss_of(job::LossType::cross_entropy), {Metric::mean_squared_error}, at::zeros({1, 3}), longs({0})),
      ModelError);
}

}  // namespace
}  // namespace shardmill::train
