// Which steps are left out because their loss or gradient is out of line (job::SkipOutliers). The idea is llm.c's
// (llmc/outlier_detector.h).
#pragma once

#include <deque>
#include <vector>

#include "job/train.hpp"

namespace shardmill::train {

// What a checkpoint holds of it: the last steps that were taken, the oldest first. Both of one length.
struct OutlierState {
  std::vector<double> losses;
  std::vector<double> gradient_norms;

  friend bool operator==(const OutlierState&, const OutlierState&) = default;
};

// Mean and standard deviation are computed anew each time, so that what is decided depends on the state alone and a
// resumed run decides the same. One thread at a time.
class Outliers {
 public:
  explicit Outliers(const job::SkipOutliers& rule) : rule_(rule) {}

  // Whether to skip the step. If not, it joins the window. Before the window is full nothing is skipped but what is not
  // finite, which is always skipped.
  bool skip(double loss, double gradient_norm);

  OutlierState state() const;
  // Of a longer window than the job's, the newest count.
  void restore(const OutlierState& state);

 private:
  job::SkipOutliers rule_;
  std::deque<double> losses_;
  std::deque<double> gradient_norms_;
};

}  // namespace shardmill::train
