#include "train/evaluation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include <ATen/ATen.h>

#include "job/error.hpp"
#include "job/names.hpp"
#include "train/loss.hpp"

namespace shardmill::train {
namespace {

// How many classes come before the target's: 0 if it is the highest. [n, ...]. What is NaN comes first.
at::Tensor ranks(const Compared& pair) {
  const at::Tensor index = pair.target.unsqueeze(1);
  const at::Tensor score = pair.output.gather(1, index);
  std::vector<std::int64_t> shape(static_cast<std::size_t>(pair.output.dim()), 1);
  shape[1] = pair.output.size(1);
  const at::Tensor classes = at::arange(pair.output.size(1), index.options()).view(shape);
  const at::Tensor higher = pair.output.le(score).logical_not();
  const at::Tensor tied_before = pair.output.eq(score).logical_and(classes.lt(index));
  return higher.logical_or(tied_before).sum(1);
}

void count_classes(const Compared& pair, EvaluationSums& sums) {
  const at::Tensor rank = ranks(pair);
  sums.predictions = rank.numel();
  sums.correct = rank.eq(0).sum().item<std::int64_t>();
  sums.correct_in_five = rank.lt(5).sum().item<std::int64_t>();
}

void count_binary(const Compared& pair, EvaluationSums& sums) {
  sums.predictions = pair.target.numel();
  const at::Tensor right = pair.output.gt(0).eq(pair.target.gt(0.5)).logical_and(pair.output.isnan().logical_not());
  sums.correct = right.sum().item<std::int64_t>();
}

double mean_of_records(const at::Tensor& errors) {
  const std::int64_t records = errors.size(0);
  return records == 0
             ? 0
             : errors.sum().item<double>() * static_cast<double>(records) / static_cast<double>(errors.numel());
}

}  // namespace

EvaluationSums& EvaluationSums::operator+=(const EvaluationSums& other) {
  records += other.records;
  loss += other.loss;
  log_likelihood += other.log_likelihood;
  predictions += other.predictions;
  correct += other.correct;
  correct_in_five += other.correct_in_five;
  absolute_error += other.absolute_error;
  squared_error += other.squared_error;
  return *this;
}

EvaluationSums evaluate(const job::Loss& loss, const std::vector<job::EvaluationMetric>& metrics,
                        const at::Tensor& output, const at::Tensor& target) {
  using Metric = job::EvaluationMetric;
  for (const Metric metric : metrics)
    if (!fits(metric, loss.type))
      throw ModelError("the metric " + std::string(job::name_of(metric)) + " does not fit the loss " +
                       std::string(job::name_of(loss.type)));
  const auto wanted = [&metrics](Metric metric) {
    return std::find(metrics.begin(), metrics.end(), metric) != metrics.end();
  };
  EvaluationSums sums;
  // First, because it finds targets that are no class.
  sums.loss = loss_sum(loss, output, target).item<double>();
  const Compared pair = compared(loss, output, target);
  sums.records = pair.target.size(0);
  if (wanted(Metric::perplexity)) {
    job::Loss plain = loss;
    plain.label_smoothing = 0;
    sums.log_likelihood = loss.label_smoothing == 0 ? -sums.loss : -loss_sum(plain, output, target).item<double>();
  }
  if (wanted(Metric::accuracy) || wanted(Metric::top_5)) {
    if (loss.type == job::LossType::bce_with_logits) {
      count_binary(pair, sums);
    } else {
      count_classes(pair, sums);
    }
  }
  if (wanted(Metric::mean_absolute_error) || wanted(Metric::mean_squared_error)) {
    const at::Tensor errors = pair.output.to(at::kDouble).sub(pair.target);
    sums.absolute_error = mean_of_records(errors.abs());
    sums.squared_error = mean_of_records(errors.square());
  }
  return sums;
}

double finish(job::EvaluationMetric metric, const EvaluationSums& sums) {
  const auto records = static_cast<double>(sums.records);
  const auto predictions = static_cast<double>(sums.predictions);
  if (sums.records == 0) return std::numeric_limits<double>::quiet_NaN();
  switch (metric) {
    case job::EvaluationMetric::loss:
      return sums.loss / records;
    case job::EvaluationMetric::accuracy:
      return static_cast<double>(sums.correct) / predictions;
    case job::EvaluationMetric::top_5:
      return static_cast<double>(sums.correct_in_five) / predictions;
    case job::EvaluationMetric::mean_absolute_error:
      return sums.absolute_error / records;
    case job::EvaluationMetric::mean_squared_error:
      return sums.squared_error / records;
    case job::EvaluationMetric::perplexity:
      return std::exp(-sums.log_likelihood / records);
  }
  return std::numeric_limits<double>::quiet_NaN();
}

bool fits(job::EvaluationMetric metric, job::LossType loss) {
  const bool classes = loss == job::LossType::cross_entropy || loss == job::LossType::next_token;
  switch (metric) {
    case job::EvaluationMetric::loss:
      return true;
    case job::EvaluationMetric::accuracy:
      return classes || loss == job::LossType::bce_with_logits;
    case job::EvaluationMetric::top_5:
    case job::EvaluationMetric::perplexity:
      return classes;
    case job::EvaluationMetric::mean_absolute_error:
    case job::EvaluationMetric::mean_squared_error:
      return loss == job::LossType::mse || loss == job::LossType::l1;
  }
  return false;
}

}  // namespace shardmill::train
