// What check_training_numerics.py compares with PyTorch: schedules, losses and optimizers, by command line and raw
// files.
//
//   training_numerics schedule TYPE total key=value...                a learning rate a line
//   training_numerics loss TYPE FOLDER key=value... shape...           output.bin, target.bin -> the loss; gradient.bin
//   training_numerics optimizer TYPE FOLDER key=value...               parameters.bin, gradients.bin -> parameters.bin
//   training_numerics speed TYPE count                                 seconds a step, of ours and of the fused kernel
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "train/loss.hpp"
#include "train/optimizer.hpp"
#include "train/schedule.hpp"

namespace shardmill {
namespace {

using Values = std::map<std::string, double>;

template <class Type>
Type type_of(const std::map<std::string, Type>& types, const std::string& name) {
  return types.at(name);
}

double value_of(const Values& values, const std::string& key, double otherwise) {
  const auto found = values.find(key);
  return found == values.end() ? otherwise : found->second;
}

at::Tensor read_file(const std::filesystem::path& path, at::ScalarType type) {
  const auto bytes = static_cast<std::int64_t>(std::filesystem::file_size(path));
  at::Tensor tensor = at::empty({bytes / static_cast<std::int64_t>(c10::elementSize(type))}, type);
  if (!std::ifstream(path, std::ios::binary).read(static_cast<char*>(tensor.data_ptr()), bytes))
    throw std::runtime_error("cannot read " + path.string());
  return tensor;
}

void write_file(const std::filesystem::path& path, const at::Tensor& tensor) {
  const at::Tensor flat = tensor.contiguous();
  if (!std::ofstream(path, std::ios::binary)
           .write(static_cast<const char*>(flat.data_ptr()), static_cast<std::streamsize>(flat.nbytes())))
    throw std::runtime_error("cannot write " + path.string());
}

job::Optimizer optimizer_of(const std::string& type, const Values& values) {
  job::Optimizer optimizer;
  optimizer.type = type_of<job::OptimizerType>(
      {{"sgd", job::OptimizerType::sgd}, {"adam", job::OptimizerType::adam}, {"adamw", job::OptimizerType::adamw}},
      type);
  optimizer.learning_rate = value_of(values, "lr", 0.1);
  optimizer.momentum = value_of(values, "momentum", 0);
  optimizer.nesterov = value_of(values, "nesterov", 0) != 0;
  optimizer.beta1 = value_of(values, "beta1", 0.9);
  optimizer.beta2 = value_of(values, "beta2", 0.999);
  optimizer.epsilon = value_of(values, "epsilon", 1e-8);
  optimizer.weight_decay = value_of(values, "weight_decay", 0);
  return optimizer;
}

void schedule(const std::string& type, std::int64_t total, const Values& values) {
  job::Schedule made;
  made.type = type_of<job::ScheduleType>({{"constant", job::ScheduleType::constant},
                                          {"step", job::ScheduleType::step},
                                          {"cosine", job::ScheduleType::cosine},
                                          {"linear", job::ScheduleType::linear},
                                          {"one_cycle", job::ScheduleType::one_cycle}},
                                         type);
  made.warmup_steps = static_cast<std::int64_t>(value_of(values, "warmup_steps", 0));
  made.final_factor = value_of(values, "final_factor", made.final_factor);
  made.initial_factor = value_of(values, "initial_factor", made.initial_factor);
  made.peak_at = value_of(values, "peak_at", made.peak_at);
  made.step_every = static_cast<std::int64_t>(value_of(values, "step_every", 1));
  made.step_factor = value_of(values, "step_factor", made.step_factor);
  for (std::int64_t step = 0; step < total; ++step)
    std::printf("%.17g\n", train::learning_rate(optimizer_of("sgd", values), made, step, total));
}

void loss(const std::string& type, const std::filesystem::path& folder, const Values& values,
          const std::vector<std::int64_t>& shape) {
  job::Loss made;
  made.type = type_of<job::LossType>({{"cross_entropy", job::LossType::cross_entropy},
                                      {"mse", job::LossType::mse},
                                      {"l1", job::LossType::l1},
                                      {"bce_with_logits", job::LossType::bce_with_logits},
                                      {"next_token", job::LossType::next_token}},
                                     type);
  made.label_smoothing = value_of(values, "label_smoothing", 0);
  const bool classes = type == "cross_entropy" || type == "next_token";
  at::Tensor output = read_file(folder / "output.bin", at::kFloat).view(shape).requires_grad_();
  std::vector<std::int64_t> target_shape = shape;
  if (classes) target_shape.erase(type == "next_token" ? target_shape.end() - 1 : target_shape.begin() + 1);
  const at::Tensor target = read_file(folder / "target.bin", classes ? at::kLong : at::kFloat).view(target_shape);
  const auto parts = static_cast<std::int64_t>(value_of(values, "parts", 1));
  double sum = 0;
  for (std::int64_t part = 0; part < parts; ++part) {  // as logical shards take it
    const std::int64_t first = part * shape[0] / parts;
    const std::int64_t size = (part + 1) * shape[0] / parts - first;
    const at::Tensor loss = train::loss_sum(made, output.narrow(0, first, size), target.narrow(0, first, size));
    const at::Tensor share = loss.div(shape[0]);
    share.backward();
    sum += share.item<double>();
  }
  write_file(folder / "gradient.bin", output.grad());
  std::printf("%.17g\n", sum);
}

void optimizer(const std::string& type, const std::filesystem::path& folder, const Values& values) {
  at::Tensor parameters = read_file(folder / "parameters.bin", at::kFloat);
  const std::int64_t count = parameters.numel();
  const at::Tensor gradients = read_file(folder / "gradients.bin", at::kFloat).view({-1, count});
  const job::Optimizer made = optimizer_of(type, values);
  train::FlatOptimizer flat(made, count, static_cast<std::int64_t>(value_of(values, "decayed", 0)), at::kCPU);
  for (std::int64_t step = 0; step < gradients.size(0); ++step)
    flat.step(parameters, gradients[step], made.learning_rate / static_cast<double>(step + 1),
              value_of(values, "gradient_scale", 1), 0, count);
  write_file(folder / "parameters.bin", parameters);
}

template <class Call>
double seconds(const Call& call) {
  double best = 1e9;
  for (int i = 0; i < 10; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    call();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

void speed(const std::string& type, std::int64_t count) {
  const job::Optimizer made = optimizer_of(type, {{"weight_decay", 0.1}, {"momentum", 0.9}});
  at::Tensor parameters = at::ones({count});
  const at::Tensor gradient = at::full({count}, 0.5);
  train::FlatOptimizer flat(made, count, count / 2, at::kCPU);
  const double ours = seconds([&] { flat.step(parameters, gradient, 1e-3, 1, 0, count); });
  const double clipped = seconds([&] { flat.step(parameters, gradient, 1e-3, 0.5, 0, count); });
  std::vector<at::Tensor> state;
  for (const auto& [name, tensor] : flat.state()) state.push_back(tensor);
  const at::Tensor steps = at::ones({});
  const double whole = seconds([&] {
    if (type == "sgd")
      at::_fused_sgd_(parameters, gradient, state, 0.1, 0.9, 1e-3, 0, false, false, false);
    else
      at::_fused_adamw_(parameters, gradient, state[0], state[1], {}, steps, 1e-3, 0.9, 0.999, 0.1, 1e-8, false, false);
  });
  std::printf("ours %.5f clipped %.5f fused %.5f\n", ours, clipped, whole);
}

int run(const std::vector<std::string>& arguments) {
  Values values;
  std::vector<std::int64_t> numbers;
  for (std::size_t i = 3; i < arguments.size(); ++i) {
    const auto equals = arguments[i].find('=');
    if (equals == std::string::npos)
      numbers.push_back(std::stoll(arguments[i]));
    else
      values[arguments[i].substr(0, equals)] = std::stod(arguments[i].substr(equals + 1));
  }
  const std::string& what = arguments.at(0);
  if (what == "schedule") schedule(arguments.at(1), std::stoll(arguments.at(2)), values);
  if (what == "loss") loss(arguments.at(1), arguments.at(2), values, numbers);
  if (what == "optimizer") optimizer(arguments.at(1), arguments.at(2), values);
  if (what == "speed") speed(arguments.at(1), std::stoll(arguments.at(2)));
  return 0;
}

}  // namespace
}  // namespace shardmill

int main(int argc, char** argv) {
  try {
    return shardmill::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
