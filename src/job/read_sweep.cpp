#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include "job/sections.hpp"

namespace shardmill::job {
namespace {

constexpr Range seeds{0, std::numeric_limits<std::int64_t>::max()};

// Keys of a train job that are the sweep's to say, not a trial's.
constexpr std::array<std::string_view, 8> of_the_sweep{"job",   "name",   "project",         "resources",
                                                       "slurm", "faults", "fault_tolerance", "evaluation.best"};

// Of {uniform: [low, high]}. low_above: exclusive.
void read_bounds(MapReader& reader, std::string_view key, bool whole, bool above_0) {
  const Node* node = reader.find(key);
  if (node == nullptr) return;
  const Path path = reader.path(key);
  Context& context = reader.context();
  if (!expect_list(context, *node, path)) return;
  if (node->items.size() != 2) return report(context, *node, path, "must be two numbers: [lowest, highest]");
  std::array<double, 2> bounds{};
  for (std::size_t i = 0; i < 2; ++i) {
    std::int64_t number = 0;
    if (whole) {
      if (!read_value(context, node->items[i], path.item(i), number,
                      Range{-(std::int64_t{1} << 40), std::int64_t{1} << 40}))
        return;
      bounds[i] = static_cast<double>(number);
    } else if (!read_value(context, node->items[i], path.item(i), bounds[i])) {
      return;
    }
  }
  if (bounds[0] >= bounds[1]) report(context, *node, path, "must be two numbers, the first below the second");
  if (above_0 && bounds[0] <= 0) report(context, *node, path, "must be above 0");
}

void read_distribution(const Node& node, const Path& path, Context& context, SearchMethod method) {
  MapReader reader(node, path, context);
  read_bounds(reader, "uniform", false, false);
  read_bounds(reader, "log_uniform", false, true);
  read_bounds(reader, "int_uniform", true, false);
  reader.finish();
  if (node.items.size() != 1) {
    report(context, node, path, "needs one of uniform, log_uniform and int_uniform");
  } else if (method == SearchMethod::grid) {
    report(context, node, path,
           "is a distribution, and a grid tries every value of a list; `search: {method: random, trials: 20}` draws");
  }
}

void read_parameters(const Node& node, const Path& path, Context& context, Sweep& sweep) {
  if (!node.is_map() && !node.is_null())
    return report(context, node, path,
                  "must be a mapping of keys of the train job to values, not " + node.description());
  if (node.items.empty()) report(context, node, path, "must name at least one key of the train job");
  for (const Node& item : node.items) {
    const Path here = path.entry(item.key);
    const bool is_ours = std::any_of(of_the_sweep.begin(), of_the_sweep.end(), [&](std::string_view key) {
      return item.key == key || (item.key.starts_with(key) && item.key[key.size()] == '.');
    });
    if (is_ours) {
      context.diagnostics.add(
          item.key_place.location(),
          quote(item.key) + (item.key == "evaluation.best"
                                 ? " is what `objective` says"
                                 : " belongs to the sweep as a whole, and cannot differ between trials"));
    } else if (item.is_map()) {
      read_distribution(item, here, context, sweep.method);
    } else if (!item.is_sequence()) {
      report(context, item, here, "must be a list of values or a distribution, not " + item.description());
    } else if (item.items.empty()) {
      report(context, item, here, "must list at least one value");
    }
    sweep.keys.push_back(item.key);
  }
  sweep.parameters = node;
}

void read_search(const Node& node, const Path& path, Context& context, Sweep& sweep) {
  if (node.is_scalar()) {
    if (read_value(context, node, path, sweep.method) && sweep.method == SearchMethod::random)
      report(context, node, path, "needs a number of trials: {method: random, trials: 20, seed: 1}");
    return;
  }
  MapReader reader(node, path, context);
  const bool has_method = reader.require("method", sweep.method);
  reader.read("trials", sweep.draws, Range{1, most_trials});
  if (std::int64_t seed = 0; reader.read("seed", seed, seeds)) sweep.seed = static_cast<std::uint64_t>(seed);
  if (has_method && sweep.method == SearchMethod::random && !reader.has("trials"))
    reader.find("trials", Need::required);
  for (const char* key : {"trials", "seed"}) {
    if (has_method && sweep.method == SearchMethod::grid && reader.has(key))
      report(context, *node.find(key), reader.path(key),
             "does not belong to method: grid, which tries every combination");
  }
  reader.finish();
}

}  // namespace

void read_sweep(MapReader& job, Sweep& sweep) {
  Context& context = job.context();
  if (const Node* node = job.find("trial", Need::required)) {
    if (node->is_map())
      sweep.trial = *node;
    else
      report(context, *node, job.path("trial"), "must be the path of a train job, or the job itself");
  }
  if (const Node* node = job.find("search", Need::required)) read_search(*node, job.path("search"), context, sweep);
  if (const Node* node = job.find("parameters", Need::required))
    read_parameters(*node, job.path("parameters"), context, sweep);
  job.require("objective", sweep.objective);
}

void read_sweep_fault_tolerance(const Node& node, const Path& path, Context& context, FaultTolerance& fault_tolerance) {
  MapReader reader(node, path, context);
  reader.read("max_attempts", fault_tolerance.max_attempts, Range{1, 1000});
  reader.read_time("shard_timeout", fault_tolerance.shard_timeout);
  reader.read_time("rank_timeout", fault_tolerance.rank_timeout);
  reader.read("max_restarts", fault_tolerance.max_restarts, Range{0, 1000});
  if (const Node* limit = reader.find("max_quarantined"))
    read_limit(*limit, reader.path("max_quarantined"), context, fault_tolerance.max_quarantined);
  reader.finish();
}

}  // namespace shardmill::job
