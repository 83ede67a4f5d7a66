#include "infer/plan.hpp"

#include <fstream>
#include <sstream>

#include <c10/core/InferenceMode.h>

#include "dataset/record_source.hpp"
#include "dataset/shard_plan.hpp"
#include "infer/compute.hpp"
#include "infer/pipeline.hpp"
#include "model/model.hpp"

namespace shardmill::infer {
namespace {

// Peak resident memory of this process, from the kernel's account in KiB.
std::uint64_t peak_memory() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    std::uint64_t kib = 0;
    if (word == "VmHWM:" && status >> kib) return kib * 1024;
  }
  return 0;
}

}  // namespace

PlanReport make_plan(const job::Job& job) {
  PlanReport report;
  const auto source = dataset::open_source(job.dataset);
  const std::size_t record_bytes = dataset::record_bytes(*source);
  const dataset::ShardPlan plan = dataset::plan_shards(job, *source);
  report.records = plan.records();
  report.shards = plan.shards();
  report.shard_size = plan.shard_size();
  for (std::int64_t shard = 0; shard < plan.shards(); ++shard) {
    report.batches += (plan.count(shard) + job.batch_size - 1) / job.batch_size;
  }
  report.input_bytes = static_cast<std::uint64_t>(plan.records()) * record_bytes;

  const c10::InferenceMode inference;
  model::configure_torch(job.resources.threads_per_rank);
  const auto model = model::load_model(job.model, model::choose_device(job.model.device, 0));
  Compute compute(job, *model);
  report.outputs = compute.probe(zeros_for(*source, job.batch_size));
  std::ostringstream device;
  device << model->device();
  report.device = device.str();

  store::ResultsLayout layout;
  layout.records = plan.records();
  layout.shard_size = plan.shard_size();
  layout.outputs = report.outputs;
  layout.job_yaml = job.resolved_yaml;
  report.results_bytes = store::results_bytes(layout);
  std::uint64_t row_bytes = record_bytes;
  for (const store::OutputLayout& output : report.outputs) row_bytes += output.row_bytes();
  report.memory_bytes = peak_memory() + 2 * batches_ahead * static_cast<std::uint64_t>(job.batch_size) * row_bytes;
  return report;
}

}  // namespace shardmill::infer
