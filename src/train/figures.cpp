#include "train/figures.hpp"

namespace shardmill::train {

void fill(report::Summary& summary, const Ledger& ledger) {
  if (const auto& opened = ledger.opened()) {
    const std::int64_t step = ledger.last_step();
    summary.tasks_submitted = opened->steps * opened->logical_shards;
    summary.tasks_completed = step * opened->logical_shards;
    summary.utilization = summary.tasks_submitted == 0 ? 1
                                                       : static_cast<double>(summary.tasks_completed) /
                                                             static_cast<double>(summary.tasks_submitted);
    summary.records = opened->records;
    summary.records_done = opened->steps == 0 ? 0 : opened->records * step / opened->steps;
  }
  summary.total_time = ledger.elapsed();
  summary.load = summary.total_time > 0 ? static_cast<double>(summary.records_done) / summary.total_time : 0;
  summary.faults = ledger.faults();
  summary.faults_recovered = ledger.faults_recovered();
  summary.fault_tolerance =
      summary.faults == 0 ? 1 : static_cast<double>(summary.faults_recovered) / static_cast<double>(summary.faults);
  if (const auto& longest = ledger.longest_recovery()) {
    summary.longest_recovery = seconds_of(*longest);
    summary.recovery = {longest->detect, longest->agree, longest->rebuild, longest->replay};
  }
  summary.incarnations = ledger.incarnations();
  summary.ranks = ledger.started() ? ledger.started()->ranks : 0;
  if (ledger.evaluated()) summary.metrics = ledger.evaluated()->metrics;
}

}  // namespace shardmill::train
