// How good a model is on records that it was not trained on.
#pragma once

#include <cstdint>
#include <vector>

#include "job/train.hpp"

namespace at {
class Tensor;
}

namespace shardmill::train {

// Of some records. Sums of blocks of records, added in the order of the blocks, give the same bits whoever computed
// which block.
struct EvaluationSums {
  std::int64_t records = 0;
  double loss = 0;                   // as loss_sum: of a record the mean over its values
  double log_likelihood = 0;         // the same without label smoothing, negative; for perplexity
  std::int64_t predictions = 0;      // classes that were to be told: several a record where it has several targets
  std::int64_t correct = 0;          // of them
  std::int64_t correct_in_five = 0;  // of them: among the five highest
  double absolute_error = 0;         // of a record the mean over its values
  double squared_error = 0;

  EvaluationSums& operator+=(const EvaluationSums& other);
  friend bool operator==(const EvaluationSums&, const EvaluationSums&) = default;
};

// One block. output and target as loss_sum takes them. Only what the metrics (and the loss) need is computed. Of equal
// scores the first class counts as the higher one, as in argmax. accuracy of bce_with_logits counts each value, with
// the border at probability 1/2. Throws ModelError as loss_sum does, and for a metric that does not fit the loss.
EvaluationSums evaluate(const job::Loss& loss, const std::vector<job::EvaluationMetric>& metrics,
                        const at::Tensor& output, const at::Tensor& target);

// NaN without records.
double finish(job::EvaluationMetric metric, const EvaluationSums& sums);

using job::higher_is_better;

// Whether `evaluate` can compute the metric with that loss.
bool fits(job::EvaluationMetric metric, job::LossType loss);

}  // namespace shardmill::train
