#include "infer/figures_summary.hpp"

#include <algorithm>

namespace shardmill::infer {

void fill(report::Summary& summary, const coordinator::Figures& figures) {
  summary.tasks_submitted = figures.tasks_submitted;
  summary.tasks_completed = figures.tasks_completed;
  summary.utilization = figures.utilization();
  summary.records = figures.records;
  summary.records_done = figures.records_done;
  summary.total_time = figures.elapsed;
  summary.load = figures.load();
  summary.faults = figures.faults;
  summary.faults_recovered = figures.faults_recovered;
  summary.fault_tolerance = figures.fault_tolerance();
  summary.records_quarantined = figures.records_quarantined;
  summary.records_recomputed = figures.records_recomputed;
  summary.attempts_lost = figures.attempts_lost;
  summary.longest_recovery = figures.longest_recovery;
  summary.busy_share = figures.rank_seconds > 0 ? std::min(figures.busy / figures.rank_seconds, 1.0) : 0;
  summary.incarnations = figures.incarnations;
  summary.ranks = figures.ranks;
  summary.ranks_alive = figures.ranks_alive;
}

}  // namespace shardmill::infer
