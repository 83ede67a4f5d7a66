// When a snapshot is due (job::Checkpoints).
#pragma once

#include <chrono>
#include <cstdint>

#include "job/train.hpp"
#include "train/worker.hpp"

namespace shardmill::train {

// Worker's thread only.
class SnapshotRule {
 public:
  explicit SnapshotRule(const job::Checkpoints& rule) : rule_(rule) {}

  // What is to be known of earlier: a state at this position is durable.
  void begin_at(std::int64_t position) { position_ = position; }
  // At a boundary, planned. busy: one is being written, and a snapshot that is only due by the clock or the step is
  // better left out.
  bool is_due(const Boundary& boundary, bool busy) const {
    const std::int64_t step = boundary.course.step;
    const auto now = std::chrono::steady_clock::now();
    const bool by_steps = rule_.every_steps && step > 0 && step % *rule_.every_steps == 0;
    // A step with an evaluation before it goes on is saved after that.
    const bool by_time =
        !rule_.every_steps && step > 0 && std::chrono::duration<double>(now - time_).count() >= rule_.every_seconds;
    const bool is_new = boundary.course.position() > position_;
    const bool is_last = boundary.finished || boundary.stops;
    return is_new && (is_last || boundary.is_best || ((by_time || by_steps) && !busy));
  }
  void note_taken(const Boundary& boundary) {
    position_ = boundary.course.position();
    time_ = std::chrono::steady_clock::now();
  }

 private:
  const job::Checkpoints rule_;
  std::int64_t position_ = -1;  // of the last snapshot
  std::chrono::steady_clock::time_point time_ = std::chrono::steady_clock::now();
};

}  // namespace shardmill::train
