// A training run of one rank by itself, without MPI and journal: a trial of a sweep. It leaves the checkpoints that any
// run of the job would leave, and goes on from the newest.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "job/job.hpp"
#include "store/disk.hpp"
#include "train/checkpoint_keeper.hpp"
#include "train/desk.hpp"
#include "train/metrics_log.hpp"
#include "train/snapshot_rule.hpp"
#include "train/solo_result.hpp"
#include "train/worker.hpp"

namespace shardmill::train {

class Solo {
 public:
  // The folder gets job.yaml, metrics.csv and checkpoints/. local_rank: as for training_device. on_saved: with the
  // steps done and all there are, once a checkpoint is durable, in a thread of its own.
  Solo(const job::Job& job, std::filesystem::path folder, int local_rank,
       std::function<void(std::int64_t step, std::int64_t steps)> on_saved);

  // Until it is through; none if it was stopped, with its state saved. Once, in a thread that nothing else uses while
  // it runs. While another process has the folder (it is about to die) it waits. Throws ModelError: it cannot be
  // trained with these settings, which another try would not change. StoreError: the disk. DataError: anything else.
  std::optional<SoloResult> run();
  // Any thread: after the step at hand.
  void stop() { stop_wanted_ = true; }
  // Any thread: grows while it is getting somewhere.
  std::uint64_t progressed() const { return desk_.progressed(); }

 private:
  bool lock_folder();  // false: stopped meanwhile
  WorkerHooks hooks();
  void at_boundary(const Boundary& boundary, Worker& worker);
  void saved(const Saved& saved);
  SoloResult result(const Worker& worker) const;

  const job::Job& job_;
  const std::filesystem::path folder_;
  const std::filesystem::path checkpoints_;
  const int local_rank_;
  const std::function<void(std::int64_t, std::int64_t)> on_saved_;
  std::atomic<bool> stop_wanted_ = false;
  Desk desk_;
  MetricsLog metrics_;
  SnapshotRule snapshots_;
  std::int64_t steps_ = 0;           // in all
  std::optional<std::string> best_;  // the best checkpoint's file; the keeper's thread
  std::unique_ptr<store::File> lock_;
  std::unique_ptr<CheckpointKeeper> keeper_;  // its thread may be writing until the end
};

}  // namespace shardmill::train
