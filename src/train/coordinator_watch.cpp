#include "train/coordinator_watch.hpp"

#include <csignal>

#include <signal.h>

#include "job/crash_point.hpp"
#include "job/error.hpp"
#include "report/log.hpp"

namespace shardmill::train {

void CoordinatorWatch::pass_on(const store::RunFolder& run) {
  crash_point("during-failover");
  while (rank_ < world_.size() && world_.is_dead(rank_)) ++rank_;
  report::log_info("the coordinator died; rank " + std::to_string(rank_) + " takes over");
  if (run.path.empty()) throw RankLost("the coordinator died before the run had begun");
  heard();
}

void CoordinatorWatch::look(const store::RunFolder& run) {
  if (run.path.empty()) return;
  int next = rank_ + 1;
  while (next < world_.size() && world_.is_dead(next)) ++next;
  const auto silent = std::chrono::steady_clock::now() - heard_;
  if (silent < (next == world_.rank() ? 1 : 2) * rank_timeout_) return;
  const auto process = store::process_of(run, rank_);
  if (!process || process->host != world_.host()) throw RankLost("the coordinator has fallen silent");
  report::log_info("the coordinator has been silent for longer than rank_timeout: it is killed");
  ::kill(static_cast<pid_t>(process->pid), SIGKILL);
  heard();
}

}  // namespace shardmill::train
