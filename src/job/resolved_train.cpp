#include <sstream>

#include "job/names.hpp"
#include "job/resolved_parts.hpp"
#include "job/scalar.hpp"
#include "job/zoo_text.hpp"

namespace shardmill::job {
namespace {

struct WriteOptions {
  std::ostream& out;

  void operator()(const Mlp& mlp) const {
    out << "inputs: " << mlp.inputs << ", hidden: " << list(mlp.hidden) << ", outputs: " << mlp.outputs
        << ", activation: " << name_of(mlp.activation) << ", dropout: " << to_text(mlp.dropout);
  }
  void operator()(const Cnn& cnn) const {
    out << "in_channels: " << cnn.in_channels << ", channels: " << list(cnn.channels) << ", classes: " << cnn.classes
        << ", dropout: " << to_text(cnn.dropout);
  }
  void operator()(const ResNet& resnet) const {
    out << "in_channels: " << resnet.in_channels << ", classes: " << resnet.classes
        << ", stem: " << name_of(resnet.stem);
  }
  void operator()(const Gpt& gpt) const {
    out << "vocab_size: " << gpt.vocab_size << ", block_size: " << gpt.block_size << ", layers: " << gpt.layers
        << ", heads: " << gpt.heads << ", width: " << gpt.width << ", dropout: " << to_text(gpt.dropout)
        << ", bias: " << gpt.bias;
  }
  void operator()(const Encoder& encoder) const {
    out << "vocab_size: " << encoder.vocab_size << ", max_length: " << encoder.max_length
        << ", layers: " << encoder.layers << ", heads: " << encoder.heads << ", width: " << encoder.width
        << ", classes: " << encoder.classes << ", dropout: " << to_text(encoder.dropout);
  }
};

std::string options_of(const Zoo& zoo) {
  std::ostringstream out;
  out << std::boolalpha << '{';
  std::visit(WriteOptions{out}, zoo);
  out << '}';
  return out.str();
}

void write_optimizer(std::ostream& out, const Optimizer& optimizer) {
  out << "  optimizer: {type: " << name_of(optimizer.type) << ", learning_rate: " << to_text(optimizer.learning_rate);
  if (optimizer.type == OptimizerType::sgd) {
    out << ", momentum: " << to_text(optimizer.momentum) << ", nesterov: " << optimizer.nesterov;
  } else {
    out << ", beta1: " << to_text(optimizer.beta1) << ", beta2: " << to_text(optimizer.beta2)
        << ", epsilon: " << to_text(optimizer.epsilon);
  }
  out << ", weight_decay: " << to_text(optimizer.weight_decay) << ", decay_all: " << optimizer.decay_all << "}\n";
}

void write_schedule(std::ostream& out, const Schedule& schedule) {
  const ScheduleType type = schedule.type;
  out << "  schedule: {type: " << name_of(type);
  if (type != ScheduleType::one_cycle) out << ", warmup_steps: " << schedule.warmup_steps;
  if (type == ScheduleType::step)
    out << ", step_every: " << schedule.step_every << ", step_factor: " << to_text(schedule.step_factor);
  else if (type != ScheduleType::constant)
    out << ", final_factor: " << to_text(schedule.final_factor);
  if (type == ScheduleType::one_cycle)
    out << ", initial_factor: " << to_text(schedule.initial_factor) << ", peak_at: " << to_text(schedule.peak_at);
  out << "}\n";
}

void write_evaluation(std::ostream& out, const Evaluation& evaluation) {
  out << "evaluation:\n";
  if (evaluation.every_steps)
    out << "  every_steps: " << *evaluation.every_steps << "\n";
  else
    out << "  every_epochs: " << evaluation.every_epochs << "\n";
  out << "  metrics: [";
  for (std::size_t i = 0; i < evaluation.metrics.size(); ++i)
    out << (i == 0 ? "" : ", ") << name_of(evaluation.metrics[i]);
  out << "]\n  best: " << name_of(evaluation.best) << "\n";
  if (evaluation.batch_size > 0) out << "  batch_size: " << evaluation.batch_size << "\n";
  if (const auto& stop = evaluation.early_stopping)
    out << "  early_stopping: {patience: " << stop->patience << ", min_delta: " << to_text(stop->min_delta) << "}\n";
}

}  // namespace

std::string zoo_to_yaml(const Zoo& zoo) {
  return "{zoo: " + std::string(name_of(zoo)) + ", options: " + options_of(zoo) + "}";
}

void write_train_model(std::ostream& out, const Model& model) {
  out << "model:\n";
  if (model.zoo) {
    out << "  zoo: " << name_of(*model.zoo) << "\n  options: " << options_of(*model.zoo) << "\n";
  } else {
    out << "  path: " << quoted(model.path.string()) << "\n";
  }
  out << "  device: " << name_of(model.device) << "\n  precision: " << name_of(model.precision) << "\n";
}

void write_train(std::ostream& out, const Train& train) {
  if (!train.targets.empty()) out << "  target: " << quoted(train.targets.front()) << "\n";
  if (train.sequence) out << "  sequence: " << *train.sequence << "\n";
  out << "  split: {seed: " << train.split.seed;
  if (train.split.mask)
    out << ", mask: " << quoted(*train.split.mask);
  else
    out << ", validation: " << to_text(train.split.validation);
  out << "}\n  augment: {flip: " << to_text(train.augment.flip) << ", crop_padding: " << train.augment.crop_padding
      << "}\ntraining:\n  loss: {type: " << name_of(train.loss.type);
  if (train.loss.label_smoothing > 0) out << ", label_smoothing: " << to_text(train.loss.label_smoothing);
  out << "}\n";
  write_optimizer(out, train.optimizer);
  write_schedule(out, train.schedule);
  out << "  global_batch_size: " << train.global_batch_size << "\n  logical_shards: " << train.logical_shards
      << "\n  accumulation: " << train.accumulation << "\n  drop_last: " << train.drop_last << "\n";
  if (train.epochs) out << "  epochs: " << *train.epochs << "\n";
  if (train.steps) out << "  steps: " << *train.steps << "\n";
  out << "  seed: " << train.seed << "\n";
  if (train.clip_grad_norm) out << "  clip_grad_norm: " << to_text(*train.clip_grad_norm) << "\n";
  if (const auto& skip = train.skip_outliers)
    out << "  skip_outliers: {z_score: " << to_text(skip->z_score) << ", window: " << skip->window << "}\n";
  out << "  reduction: " << name_of(train.reduction) << "\n";
  out << "  dealing: " << name_of(train.dealing) << "\n";
  out << "  exchange: " << name_of(train.exchange) << "\n";
  if (train.optimizer_sharding) out << "  optimizer_sharding: true\n";
  if (train.init_from) out << "  init_from: " << quoted(train.init_from->string()) << "\n";
  write_evaluation(out, train.evaluation);
  const Checkpoints& checkpoints = train.checkpoints;
  out << "checkpoints:\n";
  if (checkpoints.every_steps)
    out << "  every_steps: " << *checkpoints.every_steps << "\n";
  else
    out << "  every: " << to_text(checkpoints.every_seconds) << "\n";
  out << "  keep: " << checkpoints.keep << "\n";
}

}  // namespace shardmill::job
