// The limit: what a job's model can do if nothing else has to be done. Batches lie in memory, ready as the model takes
// them; each process has a core to itself, calls the model, and drops what comes out. Prints one line of JSON.
//
//   bench_bare_loop JOB [--set key=value]... [--processes 2] [--passes 1] [--by-length INPUT]
//
// TorchScript is frozen and optimized for inference, with channels last where there are images, by LibTorch's own
// functions. Of shardmill's own way through a model it has the packing of linear layers alone: it is to be the same
// model.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <CLI/CLI.hpp>
#include <c10/core/InferenceMode.h>
#include <nlohmann/json.hpp>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include "dataset/record_source.hpp"
#include "job/load.hpp"
#include "model/model.hpp"
#include "model/packed_linear.hpp"
#include "model/transforms.hpp"
#include "processes.hpp"

namespace {

using shardmill::bench::Meeting;
using shardmill::job::Job;
using Batch = std::vector<c10::IValue>;

struct Options {
  std::string job;
  shardmill::job::LoadOptions load;
  int processes = 2;
  int passes = 1;
  std::string by_length;  // an input that is 0 where there is nothing
  bool simple = false;
};

at::ScalarType precision_of(const Job& job) {
  switch (job.model.precision) {
    case shardmill::job::Precision::bfloat16:
      return at::kBFloat16;
    case shardmill::job::Precision::float16:
      return at::kHalf;
    case shardmill::job::Precision::float32:
      break;
  }
  return at::kFloat;
}

torch::jit::Module fast_model(const Job& job) {
  torch::jit::Module module = torch::jit::load(job.model.path.string(), at::kCPU);
  module.eval();
  module.to(precision_of(job));
  const at::NoGradGuard no_grad;
  for (at::Tensor parameter : module.parameters()) {
    if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
  }
  module = torch::jit::freeze(module);
  shardmill::model::pack_linear_layers(module);
  // Its convolutions in oneDNN's own layout are for float32 only; channels last does as well in the others.
  return precision_of(job) == at::kFloat ? torch::jit::optimize_for_inference(module) : module;
}

// The order in which records are cut into batches: the file's, or by length.
at::Tensor order_of(const std::vector<at::Tensor>& inputs, const Job& job, const std::string& by_length) {
  if (by_length.empty()) return at::arange(inputs.front().size(0));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (job.dataset.inputs[i].name == by_length) return at::argsort(inputs[i].ne(0).sum(1), true, 0, false);
  }
  throw std::runtime_error("the job has no input '" + by_length + "'");
}

std::vector<Batch> cut(const std::vector<at::Tensor>& inputs, const Job& job, const Options& options, int process) {
  const at::Tensor order = order_of(inputs, job, options.by_length);
  std::vector<Batch> batches;
  const std::int64_t records = inputs.front().size(0);
  // Dealt out like cards, so that long and short batches fall to all.
  for (std::int64_t first = process * job.batch_size; first < records; first += options.processes * job.batch_size) {
    const at::Tensor rows = order.narrow(0, first, std::min(job.batch_size, records - first));
    std::vector<at::Tensor> picked;
    std::int64_t longest = 0;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      picked.push_back(inputs[i].index_select(0, rows));
      if (job.dataset.inputs[i].name == options.by_length) longest = picked[i].ne(0).sum(1).max().item<std::int64_t>();
    }
    Batch batch;
    for (std::size_t i = 0; i < picked.size(); ++i) {
      at::Tensor ready = shardmill::model::apply_transforms(job.dataset.inputs[i].transforms, picked[i]);
      if (longest > 0) ready = ready.narrow(1, 0, longest);
      if (ready.is_floating_point()) ready = ready.to(precision_of(job));
      const auto format = ready.dim() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
      batch.emplace_back(ready.clone(format));
    }
    batches.push_back(std::move(batch));
  }
  return batches;
}

double loop(const Job& job, const Options& options, int process, Meeting& meeting) {
  shardmill::bench::keep_memory();
  at::set_num_threads(job.resources.threads_per_rank);
  at::set_num_interop_threads(1);
  if (options.simple) {
    torch::jit::getExecutorMode() = true;
    torch::jit::getProfilingMode() = false;
  }
  torch::jit::Module model = fast_model(job);
  const std::vector<Batch> batches = cut(shardmill::bench::read_all(job.dataset), job, options, process);
  const c10::InferenceMode inference;
  for (std::size_t i = 0; i < std::min<std::size_t>(batches.size(), 3); ++i) model.forward(batches[i]);
  meeting.wait();
  const auto began = std::chrono::steady_clock::now();
  for (int pass = 0; pass < options.passes; ++pass) {
    for (const Batch& batch : batches) model.forward(batch);
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

void run(const Options& options) {
  const Job job = shardmill::job::load_job(options.job, options.load);
  const std::vector<double> seconds = shardmill::bench::run_processes(
      options.processes, [&](int process, Meeting& meeting) { return loop(job, options, process, meeting); });
  const double slowest = *std::max_element(seconds.begin(), seconds.end());
  const std::int64_t records = shardmill::dataset::open_source(job.dataset)->records();
  nlohmann::ordered_json report;
  report["records"] = records * options.passes;
  report["loop_seconds"] = slowest;
  report["records_per_second"] = static_cast<double>(records * options.passes) / slowest;
  report["seconds_of_processes"] = seconds;
  std::printf("%s\n", report.dump().c_str());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"A job's model over batches in memory, as fast as LibTorch goes."};
  Options options;
  app.add_option("job", options.job, "the job file")->required();
  app.add_option("--set", options.load.overrides, "key=value over the job's");
  app.add_option("--processes", options.processes, "each on a core of its own")->check(CLI::Range(1, 64));
  app.add_option("--passes", options.passes, "over all batches")->check(CLI::PositiveNumber);
  app.add_option("--by-length", options.by_length, "an input: batches hold records of one length, cut to it");
  app.add_flag("--simple-executor", options.simple, "TorchScript's simple executor instead of the profiling one");
  CLI11_PARSE(app, argc, argv);
  try {
    run(options);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_bare_loop: %s\n", error.what());
    return 1;
  }
}
