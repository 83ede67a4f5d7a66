// How far a training run has come: all of its state but for the tensors. The same on every rank, and in checkpoints.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "job/train.hpp"
#include "train/loss_scale.hpp"
#include "train/outliers.hpp"
#include "train/sampler.hpp"

namespace shardmill::train {

struct Course {
  std::int64_t step = 0;               // steps committed
  bool evaluated = true;               // no evaluation is due before the next step
  std::int64_t optimizer_steps = 0;    // those of `step` that were not skipped
  std::vector<std::int64_t> counters;  // the network's integer buffers
  OutlierState outliers;
  LossScale loss_scale;        // of precision: float16
  std::optional<double> best;  // of evaluation.best
  std::int64_t best_step = 0;
  std::int64_t stale = 0;  // evaluations since then
  bool stopped_early = false;

  // Commits are counted by it: a later one is always higher.
  std::int64_t position() const { return 2 * step + (evaluated ? 1 : 0); }
  friend bool operator==(const Course&, const Course&) = default;
};

// Text that from_json reads back to an equal Course.
std::string to_json(const Course& course);
// Throws StoreError if it is not what to_json writes.
Course from_json(const std::string& text);

// Notes an evaluation's value of evaluation.best: whether it is the best so far, and whether to stop early. True if it
// is the best.
bool note_evaluation(Course& course, const job::Evaluation& rule, double value);

// Whether the model is to be looked at after so many steps: where the job says so, and at the end; never without
// validation records.
bool evaluation_is_due(const job::Evaluation& rule, const Sampler& sampler, std::int64_t steps);

}  // namespace shardmill::train
