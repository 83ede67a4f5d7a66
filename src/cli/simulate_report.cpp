#include "cli/simulate_report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <nlohmann/json.hpp>

namespace shardmill::cli {
namespace {

using report::seconds_text;
using report::with_commas;
using simulation::Forecast;
using simulation::never;
using simulation::PlannedRun;
using simulation::Spread;

std::string percent(double share, const char* pattern = "%.1f %%") {
  char text[32];
  std::snprintf(text, sizeof text, pattern, share * 100);
  return text;
}

std::string count(double value) { return with_commas(std::llround(value)); }

std::string row(const std::string& label, const std::string& calm, const std::string& median, const std::string& p95,
                const std::string& remark = "") {
  char text[128];
  std::snprintf(text, sizeof text, "  %-20s %12s %12s %12s", label.c_str(), calm.c_str(), median.c_str(), p95.c_str());
  return std::string(text) + (remark.empty() ? "" : "   " + remark) + "\n";
}

std::string what_fails(const PlannedRun& run) {
  std::string text;
  if (run.rank_mtbf < never) {
    text += "each rank fails once in " + seconds_text(run.rank_mtbf) + " on average, one of them every " +
            seconds_text(run.rank_mtbf / (run.ranks + run.spares));
  }
  if (run.node_mtbf < never) {
    text += (text.empty() ? "" : "; ") + ("each node of " + std::to_string(run.ranks_per_node)) + " ranks once in " +
            seconds_text(run.node_mtbf);
  }
  return text;
}

// Whole batches, so that every rank has some shards to even out the end with.
std::int64_t better_shard_size(const PlannedRun& run) {
  constexpr std::int64_t shards_per_rank = 16;
  if (run.plan.shards() >= shards_per_rank / 2 * run.ranks) return run.plan.shard_size;
  const std::int64_t batches = run.plan.records / (shards_per_rank * run.ranks) / run.batch_size;
  return std::max<std::int64_t>(batches, 1) * run.batch_size;
}

// Percent of the undisturbed makespan.
double slowdown(const Forecast& f, double makespan) { return makespan / f.calm.makespan - 1; }

}  // namespace

std::string to_table(const SimulationTitle& title, const PlannedRun& run, const Forecast& f) {
  char cost[32];
  std::snprintf(cost, sizeof cost, "%.4g", run.seconds_per_record);
  std::string text = title.job + ": " + with_commas(run.plan.records) + " records in " +
                     with_commas(run.plan.shards()) + " shards, " + cost + " s a record, on " + with_commas(run.ranks) +
                     " ranks" + (run.spares > 0 ? " and " + with_commas(run.spares) + " spares" : "") + "\n" +
                     what_fails(run) + "\n" + std::to_string(f.runs) + " simulated runs from seed " +
                     std::to_string(title.seed) + "; nothing was run\n\n";
  auto counts = [&](const char* label, const Spread& spread, const std::string& remark = "") {
    return row(label, "0", count(spread.median), count(spread.p95), remark);
  };
  text += row("", "no failures", "median", "p95");
  text += row("makespan", seconds_text(f.calm.makespan), seconds_text(f.makespan.median), seconds_text(f.makespan.p95),
              percent(slowdown(f, f.makespan.median), "%+.1f %%") + " in the median");
  text += row("utilization", "1.000", "1.000", "1.000", "every shard is done");
  text += row("busy share", percent(f.calm.busy_share), percent(f.busy_share.median), percent(f.busy_share.p95),
              "of the time of all ranks started");
  text += counts("deaths of ranks", f.deaths);
  if (run.node_mtbf < never) text += counts("nodes lost", f.nodes_lost);
  if (run.spares > 0) text += counts("spares called", f.spares_called);
  text += counts("ranks lost at end", f.ranks_lost, "of " + with_commas(run.ranks + run.spares) + ", not replaced");
  text += counts("takeovers", f.takeovers, "the coordinator died");
  text += counts("mpirun started again", f.restarts);
  const auto records = static_cast<double>(run.plan.records);
  text += row("records again", count(static_cast<double>(f.calm.records_computed) - records),
              count(f.records_again.median), count(f.records_again.p95),
              percent(f.records_again.median / records, "%.2f %%") + " of the records are computed twice");
  if (f.records_quarantined.p95 > 0) {
    text += counts("quarantined", f.records_quarantined, "innocent: ranks died max_attempts times in one batch");
  }
  text += "\n  A restart of the whole mpirun comes in " + percent(f.restart_share, "%.0f %%") +
          " of the runs, more than " + std::to_string(title.max_restarts) + " (max_restarts) in " +
          percent(f.gave_up_share, "%.0f %%") + ".\n";
  if (const auto size = better_shard_size(run); size < run.plan.shard_size) {
    text += "  " + with_commas(run.plan.shards()) +
            " shards are few for so many ranks, most of which wait at the end: try --set shard_size=" +
            std::to_string(size) + "\n";
  }
  return text;
}

std::string to_json(const SimulationTitle& title, const PlannedRun& run, const Forecast& f) {
  nlohmann::ordered_json json;
  auto finite = [](double value) { return std::isfinite(value) ? nlohmann::ordered_json(value) : nullptr; };
  auto spread = [](const Spread& s) { return nlohmann::ordered_json{{"median", s.median}, {"p95", s.p95}}; };
  json["name"] = title.job;
  json["records"] = run.plan.records;
  json["shards"] = run.plan.shards();
  json["shard_size"] = run.plan.shard_size;
  json["ranks"] = run.ranks;
  json["spares"] = run.spares;
  json["seconds_per_record"] = run.seconds_per_record;
  json["rank_mtbf_seconds"] = finite(run.rank_mtbf);
  json["node_mtbf_seconds"] = finite(run.node_mtbf);
  json["ranks_per_node"] = run.ranks_per_node;
  json["runs"] = f.runs;
  json["seed"] = title.seed;
  json["no_failures"] = {{"makespan_seconds", f.calm.makespan},
                         {"busy_share", f.calm.busy_share},
                         {"records_again", f.calm.records_computed - run.plan.records}};
  json["makespan_seconds"] = spread(f.makespan);
  json["utilization"] = 1.0;
  json["busy_share"] = spread(f.busy_share);
  json["deaths"] = spread(f.deaths);
  json["nodes_lost"] = spread(f.nodes_lost);
  json["spares_called"] = spread(f.spares_called);
  json["ranks_lost_at_end"] = spread(f.ranks_lost);
  json["takeovers"] = spread(f.takeovers);
  json["restarts"] = spread(f.restarts);
  json["records_again"] = spread(f.records_again);
  json["records_again_share"] = f.records_again.median / static_cast<double>(run.plan.records);
  json["records_quarantined"] = spread(f.records_quarantined);
  json["restart_probability"] = f.restart_share;
  json["more_than_max_restarts_probability"] = f.gave_up_share;
  return json.dump(2) + "\n";
}

}  // namespace shardmill::cli
