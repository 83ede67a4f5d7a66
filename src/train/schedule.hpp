// The learning rate of each step.
#pragma once

#include <cstdint>

#include "job/train.hpp"

namespace shardmill::train {

// Of step 0, 1, ..., total_steps - 1; later steps get what the last one gets. A pure function: any thread, any order.
//
// In the warm-up of w steps the rate is peak * (step + 1) / w. What follows are PyTorch's schedulers over the remaining
// steps (step - w of total_steps - w, as SequentialLR counts), with the final value reached at the very last step:
//   constant   the peak
//   step       StepLR(step_size = step_every, gamma = step_factor)
//   cosine     CosineAnnealingLR(T_max = steps - 1, eta_min = peak * final_factor)
//   linear     LinearLR(1, final_factor, total_iters = steps - 1)
//   one_cycle  OneCycleLR(max_lr = peak, total_steps = steps, pct_start = peak_at, div_factor = 1 / initial_factor,
//              final lr = peak * final_factor), without its cycle of momentum
// Where only one step remains it gets the peak.
double learning_rate(const job::Optimizer& optimizer, const job::Schedule& schedule, std::int64_t step,
                     std::int64_t total_steps);

}  // namespace shardmill::train
