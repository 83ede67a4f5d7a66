#include "train/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "job/error.hpp"

namespace shardmill::train {
namespace {

// From `from` at 0 to `to` at 1 along half a cosine.
double cosine(double from, double to, double at) {
  return to + (from - to) / 2 * (1 + std::cos(std::numbers::pi * at));
}

double one_cycle(const job::Schedule& schedule, double step, double steps) {
  const double peak = schedule.peak_at * steps - 1;  // as PyTorch counts, not a whole number
  const double last = steps - 1;
  if (step <= peak) return peak == 0 ? 1 : cosine(schedule.initial_factor, 1, step / peak);
  return peak >= last ? 1 : cosine(1, schedule.final_factor, (step - peak) / (last - peak));
}

double after_drops(double factor_of_each, std::int64_t drops) {
  return std::pow(factor_of_each, static_cast<double>(drops));
}

double factor(const job::Schedule& schedule, std::int64_t step, std::int64_t steps) {
  const double last = static_cast<double>(steps - 1);
  const double at = steps > 1 ? static_cast<double>(step) / last : 0;
  switch (schedule.type) {
    case job::ScheduleType::constant:
      return 1;
    case job::ScheduleType::step:
      SHARDMILL_CHECK(schedule.step_every > 0, "a schedule of steps needs step_every");
      return after_drops(schedule.step_factor, step / schedule.step_every);
    case job::ScheduleType::cosine:
      return cosine(1, schedule.final_factor, at);
    case job::ScheduleType::linear:
      return 1 + (schedule.final_factor - 1) * at;
    case job::ScheduleType::one_cycle:
      return steps > 1 ? one_cycle(schedule, static_cast<double>(step), static_cast<double>(steps)) : 1;
  }
  SHARDMILL_CHECK(false, "a schedule without a formula");
  return 1;
}

}  // namespace

double learning_rate(const job::Optimizer& optimizer, const job::Schedule& schedule, std::int64_t step,
                     std::int64_t total_steps) {
  SHARDMILL_CHECK(step >= 0, "step " + std::to_string(step));
  step = std::min(step, std::max<std::int64_t>(total_steps - 1, 0));
  if (step < schedule.warmup_steps)
    return optimizer.learning_rate * static_cast<double>(step + 1) / static_cast<double>(schedule.warmup_steps);
  return optimizer.learning_rate * factor(schedule, step - schedule.warmup_steps, total_steps - schedule.warmup_steps);
}

}  // namespace shardmill::train
