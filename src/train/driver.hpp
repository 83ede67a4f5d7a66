// The coordinator of a training run: brings the ranks together, keeps the journal and the checkpoints, and says when it
// is over. Lives on the lowest rank alive, in the thread that does MPI.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "comm/control_channel.hpp"
#include "comm/world.hpp"
#include "job/job.hpp"
#include "report/progress.hpp"
#include "report/summary.hpp"
#include "store/journal.hpp"
#include "store/run_folder.hpp"
#include "train/assembly.hpp"
#include "train/checkpoint_keeper.hpp"
#include "train/desk.hpp"
#include "train/ledger.hpp"
#include "train/metrics_log.hpp"
#include "train/run_places.hpp"
#include "train/snapshot_rule.hpp"
#include "train/worker.hpp"

namespace shardmill::train {

class Driver {
 public:
  // Opens the journal and replays it. generation: the newest that this rank has heard of. Throws StoreError: another
  // process runs this job, or the journal is of another.
  Driver(comm::World& world, comm::ControlChannel& channel, const job::Job& job, store::RunFolder folder,
         report::Progress& progress, Desk& desk, int generation);

  // This rank's worker is ready. step: from which the run begins or is resumed; none: the others are in the middle of
  // it.
  void open(const Opened& opened, std::optional<std::int64_t> step, const std::string& device,
            const std::string& versions);
  void receive(int from, const comm::Message& message);
  void rank_died(int rank, const std::string& reason);
  // Often: deals when all have answered, looks for ranks that are silent, draws the progress.
  void step();
  void stop(const std::string& reason);  // the user or the system asks to
  void fail(const std::string& message, ExitCode code);

  // From this rank's worker, as tasks of the desk.
  void note(const StepReport& report);
  void note(const EvaluationReport& report);
  void note_in_place(const std::string& link);  // the state is there, after a deal; what carries the gradients
  void note_finished(std::int64_t step);

  // In the worker's thread: says whether a snapshot is due, and takes it.
  void plan_boundary(Boundary& boundary) const;
  void at_boundary(const Boundary& boundary, Worker& worker);

  bool has_begun() const { return open_; }
  bool ended() const { return outcome_.has_value(); }
  ExitCode outcome() const { return *outcome_; }
  const std::string& message() const { return message_; }
  const store::RunFolder& folder() const { return folder_; }
  bool is_expelled(int rank) const { return expelled_.contains(rank); }
  void kill_rank(int rank);  // on this host; elsewhere it is only expelled
  report::Summary summary() const;

 private:
  using Clock = std::chrono::steady_clock;

  double elapsed() const;
  void append(const std::string& line);
  std::set<int> alive() const;
  void assemble();
  void expel_silent();
  void note_saved(const Saved& saved);
  void finish_if_through();
  void end(ExitCode outcome, const std::string& message);
  report::ProgressState progress_state() const;

  comm::World& world_;
  comm::ControlChannel& channel_;
  const job::Job& job_;
  store::RunFolder folder_;
  report::Progress& progress_;
  Desk& desk_;
  store::Journal journal_;
  Ledger ledger_;
  std::shared_ptr<CheckpointKeeper> keeper_;
  Assembly assembly_;
  std::set<int> members_;
  std::set<int> expelled_;
  std::map<int, Clock::time_point> heard_;
  Clock::time_point started_ = Clock::now();
  Clock::time_point last_look_ = Clock::now();
  Clock::time_point last_sign_ = Clock::now();
  bool open_ = false;
  std::string device_;
  std::string link_;
  std::string versions_;

  // A recovery under way.
  struct Recovery {
    double detect = 0;
    Clock::time_point noticed;
    std::optional<Clock::time_point> dealt;
    std::optional<Clock::time_point> in_place;
  };
  std::optional<Recovery> recovery_;

  StepReport last_step_;
  Clock::time_point stepped_;
  double longest_step_ = 0;                   // seconds, with what evaluations took
  std::optional<Clock::time_point> stop_at_;  // the walltime's end, with a margin
  double busy_ = 0;                           // seconds of all ranks on committed steps, in this incarnation
  std::int64_t step_ = 0;
  std::int64_t step_at_start_ = 0;
  std::optional<std::int64_t> finished_;  // the last step, once it is committed here
  // The journal knows the snapshot at the end, and not only an earlier one of the same step, before its evaluation.
  bool final_saved_ = false;
  std::string stop_reason_;
  MetricsLog metrics_;

  // Shared with the worker's thread.
  std::atomic<bool> stop_wanted_ = false;
  SnapshotRule snapshots_;  // worker's thread only

  std::optional<ExitCode> outcome_;
  std::string message_;
};

}  // namespace shardmill::train
