// The limit of training: the job's network, its loss and torch.optim's SGD over batches that lie in memory, and nothing
// exchanged. Each process has a core and a network to itself and trains it on its share of every global batch. Prints
// one line of JSON.
//
//   bench_bare_train JOB [--set key=value]... [--processes 2] [--steps 50]
//
// With shardmill's trainer it shares the network alone; LibTorch's own optimizer updates it.
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
#include <nlohmann/json.hpp>
#include <torch/optim/sgd.h>

#include "job/load.hpp"
#include "model/trainable.hpp"
#include "model/transforms.hpp"
#include "processes.hpp"

namespace {

using shardmill::bench::Meeting;
using shardmill::job::Job;

constexpr int warm_up = 3;  // steps

struct Options {
  std::string job;
  shardmill::job::LoadOptions load;
  int processes = 2;
  int steps = 50;
};

struct Batch {
  at::Tensor input;
  at::Tensor target;
};

std::vector<Batch> batches_of(const Job& job, const Options& options, int process) {
  shardmill::job::Dataset dataset = job.dataset;
  dataset.inputs.push_back({job.train.targets.at(0), {}});
  const std::vector<at::Tensor> stored = shardmill::bench::read_all(dataset);
  const std::int64_t size = job.train.global_batch_size / options.processes;
  std::vector<Batch> batches;
  for (std::int64_t first = process * size; first + size <= stored.front().size(0); first += options.processes * size) {
    const at::Tensor input = stored.front().narrow(0, first, size);
    batches.push_back({shardmill::model::apply_transforms(job.dataset.inputs.front().transforms, input).clone(),
                       stored.back().narrow(0, first, size).to(at::kLong)});
  }
  if (batches.empty()) throw std::runtime_error("the dataset has less than a global batch");
  return batches;
}

double loop(const Job& job, const Options& options, int process, Meeting& meeting) {
  shardmill::bench::keep_memory();
  at::set_num_threads(job.resources.threads_per_rank);
  const auto network = shardmill::model::make_zoo(job.model.zoo.value(), job.train.seed);
  std::vector<at::Tensor> parameters;
  for (const auto& parameter : network->parameters()) parameters.push_back(parameter.tensor);
  torch::optim::SGD optimizer(parameters, torch::optim::SGDOptions(job.train.optimizer.learning_rate)
                                              .momentum(job.train.optimizer.momentum)
                                              .weight_decay(job.train.optimizer.weight_decay));
  const std::vector<Batch> batches = batches_of(job, options, process);
  const auto step = [&](int number) {
    const Batch& batch = batches[static_cast<std::size_t>(number) % batches.size()];
    optimizer.zero_grad();
    at::cross_entropy_loss(network->forward({batch.input}), batch.target).backward();
    optimizer.step();
  };
  for (int i = 0; i < warm_up; ++i) step(i);
  meeting.wait();
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < options.steps; ++i) step(i);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

void run(const Options& options) {
  const Job job = shardmill::job::load_job(options.job, options.load);
  if (job.train.loss.type != shardmill::job::LossType::cross_entropy ||
      job.train.optimizer.type != shardmill::job::OptimizerType::sgd)
    throw std::runtime_error("this loop knows cross_entropy and sgd alone");
  const std::vector<double> seconds = shardmill::bench::run_processes(
      options.processes, [&](int process, Meeting& meeting) { return loop(job, options, process, meeting); });
  nlohmann::ordered_json report;
  report["steps"] = options.steps;
  report["steps_per_second"] = options.steps / *std::max_element(seconds.begin(), seconds.end());
  std::printf("%s\n", report.dump().c_str());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"A training job's network over batches in memory, without any exchange."};
  Options options;
  app.add_option("job", options.job, "the job file")->required();
  app.add_option("--set", options.load.overrides, "key=value over the job's");
  app.add_option("--processes", options.processes, "each on a core of its own")->check(CLI::Range(1, 64));
  app.add_option("--steps", options.steps, "that are timed")->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  try {
    run(options);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_bare_train: %s\n", error.what());
    return 1;
  }
}
