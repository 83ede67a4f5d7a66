// What a training run by itself has come to (solo.hpp). Free of torch and MPI.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace shardmill::train {

struct SoloResult {
  std::int64_t steps = 0;                               // committed
  std::int64_t best_step = 0;                           // of the evaluation that was the best by evaluation.best
  std::vector<std::pair<std::string, double>> metrics;  // of that evaluation
  std::string checkpoint;                               // its file in the folder of checkpoints

  friend bool operator==(const SoloResult&, const SoloResult&) = default;
};

}  // namespace shardmill::train
