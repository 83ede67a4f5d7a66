#include "simulation/forecast.hpp"

#include <algorithm>
#include <cmath>

#include "job/error.hpp"

namespace shardmill::simulation {

Spread spread_of(std::vector<double> values) {
  SHARDMILL_CHECK(!values.empty(), "values to look at");
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<std::size_t>(std::ceil(0.95 * static_cast<double>(values.size())));
  const std::size_t middle = values.size() / 2;
  const double median = values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {median, values[rank - 1]};
}

Forecast forecast(const PlannedRun& run, int runs, std::uint64_t seed, int max_restarts) {
  Forecast result;
  PlannedRun undisturbed = run;
  undisturbed.rank_mtbf = undisturbed.node_mtbf = never;
  result.calm = simulate(undisturbed, seed);
  std::vector<PlannedOutcome> outcomes;
  for (int i = 0; i < runs && result.ended; ++i) {
    outcomes.push_back(simulate(run, seed + static_cast<std::uint64_t>(i)));
    result.ended = outcomes.back().ended;
  }
  result.runs = static_cast<int>(outcomes.size());
  auto spread = [&outcomes](auto&& value) {
    std::vector<double> values;
    for (const PlannedOutcome& outcome : outcomes) values.push_back(static_cast<double>(value(outcome)));
    return spread_of(std::move(values));
  };
  using O = PlannedOutcome;
  result.makespan = spread([](const O& o) { return o.makespan; });
  const Spread idle = spread([](const O& o) { return 1 - o.busy_share; });
  result.busy_share = {1 - idle.median, 1 - idle.p95};
  result.deaths = spread([](const O& o) { return o.deaths; });
  result.nodes_lost = spread([](const O& o) { return o.nodes_lost; });
  result.takeovers = spread([](const O& o) { return o.takeovers; });
  result.restarts = spread([](const O& o) { return o.restarts; });
  result.spares_called = spread([](const O& o) { return o.spares_called; });
  result.records_again =
      spread([&run](const O& o) { return std::max<std::int64_t>(o.records_computed - run.plan.records, 0); });
  result.records_quarantined = spread([](const O& o) { return o.records_quarantined; });
  result.ranks_lost = spread([&run](const O& o) { return run.ranks + run.spares - o.ranks_alive; });
  auto share = [&outcomes](auto&& holds) {
    return static_cast<double>(std::count_if(outcomes.begin(), outcomes.end(), holds)) /
           static_cast<double>(outcomes.size());
  };
  result.restart_share = share([](const O& o) { return o.restarts > 0; });
  result.gave_up_share = share([max_restarts](const O& o) { return o.restarts > max_restarts; });
  return result;
}

}  // namespace shardmill::simulation
