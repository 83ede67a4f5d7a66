#include "train/outliers.hpp"

#include <cmath>

#include "job/error.hpp"

namespace shardmill::train {
namespace {

bool too_high(double value, const std::deque<double>& window, double z_score) {
  const auto count = static_cast<double>(window.size());
  double mean = 0;
  for (const double x : window) mean += x / count;
  double variance = 0;
  for (const double x : window) variance += (x - mean) * (x - mean) / count;
  const double deviation = std::sqrt(variance);
  // Without spread there is no scale to call anything far; rounding alone is no spread.
  return deviation > 1e-12 * std::abs(mean) && value - mean > z_score * deviation;
}

}  // namespace

bool Outliers::skip(double loss, double gradient_norm) {
  if (!std::isfinite(loss) || !std::isfinite(gradient_norm)) return true;
  const bool full = static_cast<std::int64_t>(losses_.size()) >= rule_.window;
  if (full && (too_high(loss, losses_, rule_.z_score) || too_high(gradient_norm, gradient_norms_, rule_.z_score)))
    return true;
  losses_.push_back(loss);
  gradient_norms_.push_back(gradient_norm);
  if (full) {
    losses_.pop_front();
    gradient_norms_.pop_front();
  }
  return false;
}

OutlierState Outliers::state() const {
  return {{losses_.begin(), losses_.end()}, {gradient_norms_.begin(), gradient_norms_.end()}};
}

void Outliers::restore(const OutlierState& state) {
  if (state.losses.size() != state.gradient_norms.size())
    throw StoreError("the checkpoint's record of past losses does not fit that of gradient norms");
  losses_.assign(state.losses.begin(), state.losses.end());
  gradient_norms_.assign(state.gradient_norms.begin(), state.gradient_norms.end());
  while (static_cast<std::int64_t>(losses_.size()) > rule_.window) {
    losses_.pop_front();
    gradient_norms_.pop_front();
  }
}

}  // namespace shardmill::train
