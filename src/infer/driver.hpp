// The coordinator, live: messages and deaths in, leases out, the journal between. Runs on the coordinator's rank, in
// the thread that does MPI; that rank's own pipeline talks to it like any other.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "comm/control_channel.hpp"
#include "comm/world.hpp"
#include "coordinator/coordinator.hpp"
#include "infer/outbox.hpp"
#include "infer/run_files.hpp"
#include "job/job.hpp"
#include "report/progress.hpp"
#include "report/summary.hpp"

namespace shardmill::infer {

class Driver {
 public:
  // Throws what RunFiles throws. All references outlive the driver.
  Driver(comm::World& world, comm::ControlChannel& channel, const job::Job& job, store::RunFolder folder,
         report::Progress& progress);

  // The results can be laid out: leases begin.
  void model_ready(const ModelReady& ready, const std::string& versions);
  void receive(int from, const comm::Message& message);
  void rank_died(int rank);
  // Often: looks at deadlines, carries out what has come up, draws the progress.
  void step();
  // How long it took to notice that the coordinator before was dead, and to come to this one.
  void took_over(double detect, double agree);
  // The run has ended, but this rank does not answer: it is killed, and counts as lost.
  void lost_at_end(int rank);
  // This process cannot read or write what must survive. Never throws.
  void storage_failed(const std::string& message);
  // The user or the system asks to. For `grace` seconds (less where the walltime ends before), the ranks may finish the
  // shards that they are at. Asking again changes nothing.
  void stop(const std::string& reason, double grace);
  // The run cannot go on.
  void fail(const std::string& message, ExitCode code = ExitCode::failed);

  // The rank does not use the run's files, and says why, so it is to be fed. False if the job forbids that: the run has
  // failed.
  bool may_feed(int rank, const std::string& why);
  // Rows of a rank that is fed count while it holds their shard under that attempt's number.
  bool holds(int rank, const comm::RowBlock& block);
  // Not known to be dead, nor taken for it.
  bool counts(int rank) const { return !world_.is_dead(rank) && !taken_for_dead_.contains(rank); }

  bool ended() const { return outcome_.has_value(); }
  ExitCode outcome() const { return *outcome_; }
  const std::string& message() const { return message_; }
  // Ends the process of a rank on this host; elsewhere it is only fenced.
  void kill_rank(int rank);
  RunFiles& files() { return files_; }
  report::Summary summary() const;
  // With what came up when the ranks left.
  coordinator::Figures figures() const;

 private:
  void feed(const coordinator::Event& event);
  void carry_out();
  void act(const coordinator::Grant& grant);
  void act(const coordinator::Proceed& proceed);
  void act(const coordinator::Revoke& revoke);
  void act(const coordinator::Kill& kill);
  void act(const coordinator::Finish& finish);
  void welcome(int rank);
  bool all_ready() const;
  bool is_spare(int rank) const;
  void call_spare();
  report::ProgressState progress_state() const;

  comm::World& world_;
  comm::ControlChannel& channel_;
  const job::Job& job_;
  report::Progress& progress_;
  RunFiles files_;
  std::optional<coordinator::Coordinator> coordinator_;
  coordinator::Actions due_;
  std::map<int, comm::Hello> hello_;
  std::vector<std::pair<int, comm::Message>> early_;  // what came before the coordinator was there
  // With crash points armed, leasing waits until every rank is ready, so that the rank to be hit has work by then.
  bool start_together_ = false;
  std::map<int, comm::Ready> waiting_;
  std::map<int, comm::Ready> spares_;  // ready, and held back until somebody dies
  std::set<int> called_;
  int calls_open_ = 0;
  std::int64_t done_before_ = 0;
  double started_ = 0;
  double last_tick_ = 0;
  double last_sign_ = 0;
  report::RecoveryTimes recovery_;
  std::set<int> lost_at_end_;
  std::set<int> fed_;
  std::set<int> taken_for_dead_;
  comm::Welcome welcome_;
  bool stopping_ = false;
  std::string device_;
  std::string versions_;
  std::optional<ExitCode> outcome_;
  std::string message_;
};

}  // namespace shardmill::infer
