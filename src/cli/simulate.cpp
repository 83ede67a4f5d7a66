// shardmill simulate JOB: what a big run would come to if ranks die on the way. Nothing is run.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "cli/commands.hpp"
#include "cli/job_options.hpp"
#include "cli/simulate_report.hpp"
#include "dataset/record_source.hpp"
#include "dataset/shard_plan.hpp"
#include "infer/run_files.hpp"
#include "job/error.hpp"
#include "job/load.hpp"
#include "simulation/forecast.hpp"

namespace shardmill::cli {
namespace {

struct SimulateOptions {
  JobOptions job;
  int ranks = 0;
  std::optional<double> mtbf;
  std::optional<double> node_mtbf;
  std::optional<int> ranks_per_node;
  std::optional<double> seconds_per_record;
  std::string like;
  std::optional<std::int64_t> records;
  double start = 10;
  double hangs = 0;
  bool no_ulfm = false;
  std::uint64_t seed = 1;
  int runs = 20;
  bool json = false;
};

// Of one rank: the time that its ranks had, or spent on committed shards where that is less (they overlap).
double cost_of(const std::string& run) {
  const store::RunFolder folder = store::open_run(run);
  const auto record = infer::read_run(folder, job::load_job(folder.job()).batch_size);
  const coordinator::Figures figures = record ? record->ledger.figures() : coordinator::Figures{};
  const double seconds = std::min(figures.busy, figures.rank_seconds);
  if (figures.records_done == 0 || !(seconds > 0)) {
    throw UsageError("--like " + run + ": that run has no record done; name another, or give --seconds-per-record");
  }
  return seconds / static_cast<double>(figures.records_done);
}

simulation::PlannedRun plan(const SimulateOptions& options, const job::Job& job) {
  if (job.kind != job::Kind::infer) throw UsageError(job.name + " is no inference job: only those can be simulated");
  if (!options.mtbf && !options.node_mtbf) {
    throw UsageError("say how often something dies: --mtbf for one rank, or --node-mtbf for one node (6h, 30d)");
  }
  if (options.node_mtbf.has_value() != options.ranks_per_node.has_value()) {
    throw UsageError("--node-mtbf and --ranks-per-node go together");
  }
  if (options.seconds_per_record.has_value() != options.like.empty()) {
    throw UsageError(options.like.empty()
                         ? "say what a record costs: --seconds-per-record, or --like RUN to take it from a run"
                         : "--seconds-per-record and --like both say what a record costs; give one of them");
  }
  const auto source = dataset::open_source(job.dataset);
  const std::int64_t records = options.records.value_or(source->records());
  const dataset::ShardPlan shards = dataset::plan_shards(job, records, dataset::record_bytes(*source));
  simulation::PlannedRun run;
  run.plan = {records, shards.shard_size()};
  run.batch_size = job.batch_size;
  run.max_attempts = job.fault_tolerance.max_attempts;
  run.rank_timeout = job.fault_tolerance.rank_timeout;
  run.spares = job.fault_tolerance.spares;
  run.ranks = options.ranks;
  run.seconds_per_record = options.seconds_per_record ? *options.seconds_per_record : cost_of(options.like);
  if (options.mtbf) run.rank_mtbf = *options.mtbf;
  if (options.node_mtbf) run.node_mtbf = *options.node_mtbf;
  run.ranks_per_node = options.ranks_per_node.value_or(1);
  run.hangs = options.hangs;
  run.survives_deaths = !options.no_ulfm;
  run.start = options.start;
  const double batch = static_cast<double>(std::min(job.batch_size, run.plan.shard_size)) * run.seconds_per_record;
  const double limit = std::min(job.fault_tolerance.shard_timeout,
                                job.fault_tolerance.batch_timeout.value_or(job.fault_tolerance.shard_timeout));
  if (batch >= limit) {
    throw UsageError("a batch would take " + report::seconds_text(batch) + ", but after " +
                     report::seconds_text(limit) +
                     " a rank is taken for dead: raise fault_tolerance.shard_timeout (and batch_timeout) or make "
                     "batches smaller");
  }
  return run;
}

// CLI11's own check names the largest double, digit by digit.
const CLI::Validator above_zero(
    [](const std::string& text) {
      const double value = std::strtod(text.c_str(), nullptr);
      return value > 0 && std::isfinite(value) ? std::string() : "must be more than 0, not " + text;
    },
    "");

ExitCode simulate(const SimulateOptions& options) {
  const job::Job job = load_infer_and_check(options.job, "simulate");
  const simulation::PlannedRun run = plan(options, job);
  const simulation::Forecast forecast =
      simulation::forecast(run, options.runs, options.seed, job.fault_tolerance.max_restarts);
  if (!forecast.ended) {
    throw RankLost(
        "the run makes no headway: ranks die faster than they can work; larger mean times, a shorter start, "
        "fewer ranks in one mpirun or shorter shards would help");
  }
  const SimulationTitle title{job.name, options.seed, job.fault_tolerance.max_restarts};
  std::fputs(options.json ? to_json(title, run, forecast).c_str() : to_table(title, run, forecast).c_str(), stdout);
  return ExitCode::done;
}

}  // namespace

void add_simulate(CLI::App& app, Action& action) {
  auto options = std::make_shared<SimulateOptions>();
  CLI::App* command = app.add_subcommand(
      "simulate",
      "Foretell how long a big run takes if ranks die on the way: the real coordinator in a simulated world");
  const std::map<std::string, double> units{{"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
  auto time = [&units](CLI::Option* option) {
    option->transform(CLI::AsNumberWithUnit(units, CLI::AsNumberWithUnit::CASE_SENSITIVE, "TIME"));
    option->check(above_zero);
  };
  add_job_options(*command, options->job);
  command->add_option("-n,--ranks", options->ranks, "Number of ranks, the job's spares not counted")
      ->required()
      ->check(CLI::Range(1, 10'000));
  time(command->add_option("--mtbf", options->mtbf,
                           "Mean time between failures of ONE RANK's process: 90s, 30m, 6h, 30d. Deaths are "
                           "exponential; dead ranks do not come back, spares step in"));
  time(command->add_option("--node-mtbf", options->node_mtbf,
                           "The same of ONE NODE, whose loss ends the whole mpirun (it is started again)"));
  command->add_option("--ranks-per-node", options->ranks_per_node, "With --node-mtbf")->check(CLI::Range(1, 10'000));
  command->add_option("--seconds-per-record", options->seconds_per_record, "Of one rank")->check(above_zero);
  command->add_option("--like", options->like, "A run whose seconds per record of a rank are taken");
  command->add_option("--records", options->records, "As if the dataset had so many records")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 50));
  time(command->add_option("--start-time", options->start,
                           "From the start of an mpirun to its first lease: MPI, loading the model (default: 10s)"));
  command->add_option("--hangs", options->hangs, "Share of the ranks' failures that are hangs, found by rank_timeout")
      ->check(CLI::Range(0.0, 1.0));
  command->add_flag("--no-ulfm", options->no_ulfm, "MPI without fault tolerance: every death ends the mpirun");
  command->add_option("--seed", options->seed, "Of the first simulated run (default: 1)");
  command->add_option("--runs", options->runs, "How many to simulate, for the spread (default: 20)")
      ->check(CLI::Range(1, 100'000));
  command->add_flag("--json", options->json, "For programs");
  command->callback([options, &action] { action = [options] { return simulate(*options); }; });
}

}  // namespace shardmill::cli
