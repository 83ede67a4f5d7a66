// The part of `shardmill plan` that needs the model.
#include <cstdio>
#include <filesystem>
#include <memory>

#include "cli/commands.hpp"
#include "cli/job_options.hpp"
#include "cli/launcher.hpp"
#include "infer/plan.hpp"
#include "report/summary.hpp"

namespace shardmill::cli {
namespace {

void print(const job::Job& job, const infer::PlanReport& plan) {
  using report::bytes_text;
  using report::with_commas;
  auto line = [](const char* label, const std::string& value) { std::printf("  %-10s %s\n", label, value.c_str()); };
  std::printf("%s: nothing is run\n", job.name.c_str());
  line("records", with_commas(plan.records) + ", " + bytes_text(static_cast<double>(plan.input_bytes)) + " from " +
                      job.dataset.path.string());
  line("shards", with_commas(plan.shards) + " of " + with_commas(plan.shard_size) + " records, " +
                     with_commas(plan.batches) + " batches of up to " + with_commas(job.batch_size));
  for (const store::OutputLayout& output : plan.outputs) {
    std::string shape = with_commas(plan.records);
    for (const std::int64_t extent : output.shape) shape += " x " + std::to_string(extent);
    line("output", output.name + ": " + shape + " " + std::string(name_of(output.dtype)) + ", " +
                       bytes_text(static_cast<double>(output.row_bytes()) * static_cast<double>(plan.records)));
  }
  line("writes", bytes_text(static_cast<double>(plan.results_bytes)) + " to " +
                     (job.output ? job.output->string() : std::string("results.h5 in the run folder")));
  line("ranks", std::to_string(choose_ranks(job, 0)) + " on this machine, each on " + plan.device + " with " +
                    std::to_string(job.resources.threads_per_rank) + " thread(s) and about " +
                    bytes_text(static_cast<double>(plan.memory_bytes)) + " of memory");
}

}  // namespace

void add_rank_plan(CLI::App& app, Action& action) {
  auto options = std::make_shared<JobOptions>();
  CLI::App* command = app.add_subcommand("plan", "Show what a run would do");
  add_job_options(*command, *options);
  command->callback([options, &action] {
    action = [options] {
      const job::Job job = load_infer_and_check(*options, "plan");
      print(job, infer::make_plan(job));
      return ExitCode::done;
    };
  });
}

}  // namespace shardmill::cli
