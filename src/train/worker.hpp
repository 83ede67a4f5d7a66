// What a rank computes: steps and evaluations, from one deal to the next.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "job/job.hpp"
#include "train/course.hpp"
#include "train/data.hpp"
#include "train/desk.hpp"
#include "train/device_space.hpp"
#include "train/flat_state.hpp"
#include "train/optimizer_shards.hpp"
#include "train/prefetcher.hpp"
#include "train/sum_tree.hpp"
#include "train/team.hpp"

namespace shardmill::train {

struct StepReport {
  std::int64_t step = 0;  // steps committed, this one included
  std::int64_t epoch = 0;
  std::int64_t records = 0;
  double loss = 0;
  double learning_rate = 0;
  double gradient_norm = 0;  // 0 if nothing needed it
  bool skipped = false;
  double busy = 0;  // seconds that the members together spent on its logical shards
};

struct EvaluationReport {
  std::int64_t step = 0;
  std::int64_t epoch = 0;
  std::vector<std::pair<std::string, double>> metrics;  // loss first
  bool is_best = false;
};

// A boundary between two units of work, at which a snapshot can be taken.
struct Boundary {
  const Course& course;
  bool is_best = false;   // an evaluation has just said so
  bool finished = false;  // nothing is left to do
  // What the rank decides that keeps the checkpoints:
  bool stops = false;     // the run is to end here
  bool snapshot = false;  // one is due
};

class Worker;

// Called in the worker's thread.
struct WorkerHooks {
  std::function<void(const std::string& link)> on_dealt;  // the state is there, work begins; what carries gradients
  std::function<void(const StepReport&)> on_step;
  std::function<void(const EvaluationReport&)> on_evaluation;
  // At a boundary, also once this rank is through: first what is decided there, then what is done.
  std::function<void(Boundary&)> plan_boundary;
  std::function<void(const Boundary&, Worker&)> on_boundary;
};

class Worker {
 public:
  // network, data and desk outlive it.
  Worker(const job::Job& job, int rank, model::Trainable& network, TrainingData& data, Desk& desk, WorkerHooks hooks);

  // The state to begin with, on a rank that has one; the others are sent it.
  void begin_with(Course course);
  // Until the run is over. What goes wrong ends in Desk::fail.
  void run();

  // At a boundary, from a hook: the state as it is now.
  const Course& course() const { return course_; }
  const model::Trainable& network() const { return network_; }
  FlatState& flat() { return flat_; }
  // All of its state; with optimizer_sharding at a boundary with a snapshot only, and before the run begins.
  FlatOptimizer& optimizer() { return whole_ ? *whole_ : optimizer_.whole(); }
  std::int64_t epoch() const;  // epochs begun
  const std::vector<std::pair<std::string, double>>& last_metrics() const { return last_metrics_; }

 private:
  void work(const comm::Deal& deal);
  void copy_state(const comm::Deal& deal);
  bool finished() const;
  void take_over(Course course);
  void leave_step();  // what there was of the step at hand is of no more use
  void step(Team& team);
  void evaluate(Team& team);
  void compute(std::int64_t shard, std::int64_t records);
  struct Verdict {
    double scale = 1;       // of the gradient
    bool hopeless = false;  // no later step can be better
  };
  bool is_scaled() const;  // the loss, and so the gradient
  bool needs_norm() const;
  at::Tensor gradient() const;  // of the sums
  Verdict judge(double loss, double norm, StepReport& report);
  // The sums are there: the optimizer's step, for what is held here, and the buffers.
  void update(double loss, double norm, double busy);
  // The parameters are those of the next step.
  void commit();
  // With optimizer_sharding:
  void update_in_parts(Team& team);
  void settle(Team& team);
  void plan_batches(const std::vector<std::int64_t>& shards);
  void note_course();
  void boundary(Team& team, bool is_best);

  const job::Job& job_;
  const job::Train& train_;
  int rank_;
  model::Trainable& network_;
  TrainingData& data_;
  Desk& desk_;
  WorkerHooks hooks_;
  FlatState flat_;
  OptimizerShards optimizer_;
  std::optional<FlatOptimizer> whole_;  // a copy for a snapshot
  Outliers outliers_;
  Course course_;
  bool has_state_ = false;
  bool told_finished_ = false;
  double speed_ = 0;
  std::unique_ptr<FloatSpace> device_space_;  // on a GPU
  FloatSpace& space_;                         // of contributions and their sums
  PieceStore pieces_;
  double spent_ = 0;  // seconds on pieces_
  at::Tensor total_;  // the sum of a step's contributions
  // A step whose update is made and which is not committed.
  struct Updated {
    StepReport report;
    bool hopeless = false;
  };
  std::optional<Updated> updated_;
  // With optimizer_sharding, of the step at hand, or the last:
  struct Sums {
    bool there = false;         // of the slices that this rank updates
    bool on_all = false;        // known to be there on all members
    double norm = 0;            // of the whole gradient
    double busy = 0;            // StepReport::busy
    std::vector<int> members;   // ranks
    std::vector<Slice> slices;  // of each of them
  };
  Sums sums_;
  std::vector<std::pair<std::string, double>> last_metrics_;
  Prefetcher<Batch> batches_;
};

}  // namespace shardmill::train
