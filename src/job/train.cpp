#include "job/train.hpp"

namespace shardmill::job {

bool higher_is_better(EvaluationMetric metric) {
  return metric == EvaluationMetric::accuracy || metric == EvaluationMetric::top_5;
}

}  // namespace shardmill::job
