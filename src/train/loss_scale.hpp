// Training in float16, whose smallest number is 6e-8: the loss is multiplied by a factor, so that no gradient is lost
// as zero, and the gradient divided by it. Where a gradient has grown beyond float16 instead, the step is skipped and
// the factor halved; after many good steps it is doubled.
//
// Method: Micikevicius et al., "Mixed Precision Training", 2018; the constants are those of torch.amp.GradScaler. The
// same on all ranks, since all see the same sum of gradients.
#pragma once

#include <algorithm>
#include <cstdint>

namespace shardmill::train {

struct LossScale {
  double factor = 65'536;  // a power of two: scaling rounds nothing
  std::int64_t steps = 0;  // good ones since it has changed

  // After a step. finite: the gradient was.
  void note(bool finite) {
    constexpr std::int64_t growth_interval = 2000;
    constexpr double least = 1;
    if (!finite) {
      factor = std::max(factor / 2, least);
      steps = 0;
    } else if (++steps == growth_interval) {
      factor *= 2;
      steps = 0;
    }
  }
  // It cannot be what makes a gradient overflow.
  bool is_least() const { return factor <= 1; }

  friend bool operator==(const LossScale&, const LossScale&) = default;
};

}  // namespace shardmill::train
