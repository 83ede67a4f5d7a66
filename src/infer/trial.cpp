#include "infer/trial.hpp"

#include <algorithm>
#include <chrono>
#include <map>

#include <c10/core/InferenceMode.h>

#include "dataset/record_source.hpp"
#include "dataset/shard_plan.hpp"
#include "infer/compute.hpp"
#include "infer/reader.hpp"
#include "job/clock.hpp"
#include "job/error.hpp"
#include "model/model.hpp"

namespace shardmill::infer {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t most_batches = 8;
constexpr std::int64_t sample_records = 16;

std::vector<Batch> first_batches(const job::Job& job) {
  const auto source = dataset::open_source(job.dataset);
  const dataset::ShardPlan plan = dataset::plan_shards(job, *source);
  const auto lease = std::make_shared<HeldLease>();
  lease->rows = std::min(plan.count(0), most_batches * job.batch_size);
  BoundedQueue<Batch> batches(most_batches + 1);
  Outbox outbox;
  Reader(job, dataset::open_source(job.dataset), outbox, batches).read(lease);
  std::vector<Batch> all;
  while (std::optional<Batch> batch = batches.try_pop()) {
    if (!batch->failure.empty()) throw DataError(batch->failure);
    all.push_back(std::move(*batch));
  }
  return all;
}

void add_sample(const Batch& batch, std::map<std::int64_t, std::vector<double>>& sample) {
  for (std::int64_t i = 0; i < batch.count; ++i) {
    const std::int64_t row = batch.rows.empty() ? batch.row + i : batch.rows[static_cast<std::size_t>(i)];
    if (row >= sample_records) continue;
    for (const at::Tensor& output : batch.tensors) {
      const at::Tensor values = output[i].to(at::kDouble).reshape({-1});
      const auto* begin = values.const_data_ptr<double>();
      sample[row].insert(sample[row].end(), begin, begin + values.numel());
    }
  }
}

}  // namespace

Trial run_trial(const job::Job& job, double seconds) {
  const c10::InferenceMode inference;
  model::configure_torch(job.resources.threads_per_rank);
  const auto model = model::load_model(job.model, model::choose_device(job.model.device, 0));
  Compute compute(job, *model);
  compute.probe_quickly(*dataset::open_source(job.dataset));
  const std::vector<Batch> batches = first_batches(job);
  Trial trial;
  std::map<std::int64_t, std::vector<double>> sample;
  for (const Batch& batch : batches) {  // the warm-up, too
    Batch computed = batch;
    compute.run(computed);
    add_sample(computed, sample);
  }
  for (const auto& [row, values] : sample) trial.sample.insert(trial.sample.end(), values.begin(), values.end());
  std::int64_t records = 0;
  const auto began = Clock::now();
  for (std::size_t i = 0; records == 0 || seconds_since(began) < seconds; i = (i + 1) % batches.size()) {
    Batch batch = batches[i];
    compute.run(batch);
    records += batch.count;
  }
  trial.records_per_second = static_cast<double>(records) / seconds_since(began);
  return trial;
}

}  // namespace shardmill::infer
