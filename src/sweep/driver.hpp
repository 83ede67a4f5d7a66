// A sweep's coordinator, live: messages and deaths in, leases of trials out, the journal between. Runs on the lowest
// rank alive, in the thread that does MPI.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "comm/control_channel.hpp"
#include "comm/world.hpp"
#include "coordinator/coordinator.hpp"
#include "job/job.hpp"
#include "report/progress.hpp"
#include "report/summary.hpp"
#include "store/journal.hpp"
#include "store/run_folder.hpp"
#include "sweep/record.hpp"

namespace shardmill::sweep {

class Driver {
 public:
  // Opens the journal and replays it, or begins a new one. Throws StoreError: another process runs this sweep, or the
  // journal is of another job or of other data; DataError: a dataset cannot be read. All references outlive the driver.
  Driver(comm::World& world, comm::ControlChannel& channel, const job::Job& job, store::RunFolder folder,
         report::Progress& progress, const std::string& device, const std::string& versions);

  void receive(int from, const comm::Message& message);
  void rank_died(int rank);
  // Often: looks at deadlines, carries out what has come up, draws the progress.
  void step();
  // The run has ended, but this rank does not answer: it is killed, and counts as lost.
  void lost_at_end(int rank);
  // The user or the system asks to: the trials at hand are saved.
  void stop(const std::string& reason);
  // This process cannot write what must survive. Never throws.
  void storage_failed(const std::string& message);

  bool ended() const { return outcome_.has_value(); }
  ExitCode outcome() const { return *outcome_; }
  const store::RunFolder& folder() const { return folder_; }
  Table table() const;
  report::Summary summary() const;

 private:
  void replay();
  void feed(const coordinator::Event& event);
  void carry_out();
  void append(const std::vector<coordinator::Entry>& entries);
  void act(const coordinator::Kill& kill);
  void act(const coordinator::Finish& finish);
  void tell(const coordinator::Committed& commit);
  void kill_rank(int rank);
  bool all_ready() const;
  report::ProgressState progress_state() const;

  comm::World& world_;
  comm::ControlChannel& channel_;
  const job::Job& job_;
  store::RunFolder folder_;
  report::Progress& progress_;
  std::string device_;
  std::string versions_;
  store::Journal journal_;
  Commits commits_;
  std::optional<coordinator::Coordinator> coordinator_;
  coordinator::Actions due_;
  // With crash points armed, leasing waits until every rank is ready, so that the rank to be hit has work by then.
  bool start_together_ = false;
  std::map<int, comm::Ready> waiting_;
  std::set<int> lost_at_end_;
  std::int64_t done_before_ = 0;  // trials
  double started_ = 0;
  double last_tick_ = 0;
  double last_sign_ = 0;
  bool stopping_ = false;
  std::optional<ExitCode> outcome_;
  std::string message_;
};

}  // namespace shardmill::sweep
