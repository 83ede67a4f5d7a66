#include <algorithm>

#include "job/sections.hpp"

namespace shardmill::job {
namespace {

constexpr Range counts{1, std::int64_t{1} << 40};

void check(MapReader& reader, std::string_view key, bool good, const std::string& sentence_end) {
  if (!good) report(reader.context(), *reader.find(key), reader.path(key), sentence_end);
}

void read_at_least_0(MapReader& reader, std::string_view key, double& into) {
  if (reader.read(key, into)) check(reader, key, into >= 0, "must be at least 0");
}

void read_share(MapReader& reader, std::string_view key, double& into) {
  if (reader.read(key, into)) check(reader, key, into >= 0 && into < 1, "must be at least 0 and below 1");
}

// Keys that belong to other types than the chosen one.
void refuse(MapReader& reader, std::string_view type, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    if (reader.has(key)) {
      report(reader.context(), *reader.find(key), reader.path(key), "does not belong to type: " + std::string(type));
    }
  }
}

// `loss: mse` is short for `loss: {type: mse}`.
template <typename E>
bool read_short_form(const Node& node, const Path& path, Context& context, E& type) {
  if (!node.is_scalar()) return false;
  read_value(context, node, path, type);
  return true;
}

void read_loss(const Node& node, const Path& path, Context& context, Loss& loss) {
  if (read_short_form(node, path, context, loss.type)) return;
  MapReader reader(node, path, context);
  reader.require("type", loss.type);
  read_share(reader, "label_smoothing", loss.label_smoothing);
  if (loss.type != LossType::cross_entropy && loss.type != LossType::next_token)
    refuse(reader, name_of(loss.type), {"label_smoothing"});
  reader.finish();
}

void read_optimizer(const Node& node, const Path& path, Context& context, Optimizer& optimizer) {
  MapReader reader(node, path, context);
  const bool has_type = reader.require("type", optimizer.type);
  if (reader.require("learning_rate", optimizer.learning_rate))
    check(reader, "learning_rate", optimizer.learning_rate > 0, "must be above 0");
  read_share(reader, "momentum", optimizer.momentum);
  reader.read("nesterov", optimizer.nesterov);
  read_share(reader, "beta1", optimizer.beta1);
  read_share(reader, "beta2", optimizer.beta2);
  if (reader.read("epsilon", optimizer.epsilon)) check(reader, "epsilon", optimizer.epsilon > 0, "must be above 0");
  read_at_least_0(reader, "weight_decay", optimizer.weight_decay);
  reader.read("decay_all", optimizer.decay_all);
  if (has_type && optimizer.type == OptimizerType::sgd) {
    refuse(reader, "sgd", {"beta1", "beta2", "epsilon"});
    check(reader, "nesterov", !optimizer.nesterov || optimizer.momentum > 0, "needs momentum");
  } else if (has_type) {
    refuse(reader, name_of(optimizer.type), {"momentum", "nesterov"});
  }
  reader.finish();
}

void read_schedule(const Node& node, const Path& path, Context& context, Schedule& schedule) {
  if (read_short_form(node, path, context, schedule.type)) return;
  MapReader reader(node, path, context);
  reader.require("type", schedule.type);
  reader.read("warmup_steps", schedule.warmup_steps, Range{0, max_int64});
  read_at_least_0(reader, "final_factor", schedule.final_factor);
  if (reader.read("initial_factor", schedule.initial_factor))
    check(reader, "initial_factor", schedule.initial_factor > 0, "must be above 0");
  read_share(reader, "peak_at", schedule.peak_at);
  reader.read("step_every", schedule.step_every, counts);
  read_at_least_0(reader, "step_factor", schedule.step_factor);
  const std::string_view type = name_of(schedule.type);
  if (schedule.type != ScheduleType::step) refuse(reader, type, {"step_every", "step_factor"});
  if (schedule.type != ScheduleType::one_cycle) refuse(reader, type, {"initial_factor", "peak_at"});
  if (schedule.type == ScheduleType::one_cycle) refuse(reader, type, {"warmup_steps"});
  if (schedule.type == ScheduleType::constant || schedule.type == ScheduleType::step)
    refuse(reader, type, {"final_factor"});
  if (schedule.type == ScheduleType::step && !reader.has("step_every"))
    report(context, node, path, "needs step_every, the number of steps between two changes of the learning rate");
  reader.finish();
}

void read_skip_outliers(const Node& node, const Path& path, Context& context, SkipOutliers& skip) {
  MapReader reader(node, path, context);
  if (reader.read("z_score", skip.z_score)) check(reader, "z_score", skip.z_score > 0, "must be above 0");
  reader.read("window", skip.window, Range{10, 100'000});
  reader.finish();
}

void read_split(const Node& node, const Path& path, Context& context, Split& split) {
  MapReader reader(node, path, context);
  read_share(reader, "validation", split.validation);
  std::int64_t seed = 0;
  if (reader.read("seed", seed, Range{0, max_int64})) split.seed = static_cast<std::uint64_t>(seed);
  std::string mask;
  if (reader.read("mask", mask)) split.mask = mask;
  if (split.mask && reader.has("validation"))
    report(context, node, path, "has both validation, a share, and mask, a dataset that marks the records; keep one");
  reader.finish();
}

void read_augment(const Node& node, const Path& path, Context& context, Augmentation& augment) {
  MapReader reader(node, path, context);
  if (reader.read("flip", augment.flip))
    check(reader, "flip", augment.flip >= 0 && augment.flip <= 1, "is a probability: from 0 to 1");
  reader.read("crop_padding", augment.crop_padding, Range{0, 10'000});
  reader.finish();
}

}  // namespace

void read_train_dataset(const Node& node, const Path& path, Context& context, Dataset& dataset, Train& train) {
  MapReader reader(node, path, context);
  read_records(reader, dataset);
  std::string target;
  const bool has_target = reader.read("target", target);
  if (has_target) train.targets = {target};
  std::int64_t block = 0;
  if (reader.read("sequence", block, Range{1, 1 << 24})) train.sequence = block;
  if (has_target && train.sequence) {
    report(context, *node.find("target"), reader.path("target"),
           "does not go with sequence, where the targets are the tokens that follow the inputs");
  } else if (!has_target && !train.sequence) {
    reader.find("target", Need::required);
  }
  if (train.sequence && dataset.inputs.size() > 1)
    report(context, *node.find("sequence"), reader.path("sequence"), "takes one input, a dataset of tokens");
  if (const Node* value = reader.find("split")) read_split(*value, reader.path("split"), context, train.split);
  if (train.sequence && train.split.mask)
    report(context, *node.find("split"), reader.path("split"), "cannot have a mask with sequence; use validation");
  if (const Node* value = reader.find("augment")) read_augment(*value, reader.path("augment"), context, train.augment);
  reader.finish();
}

void read_training(const Node& node, const Path& path, Context& context, Train& train) {
  MapReader reader(node, path, context);
  if (const Node* value = reader.find("loss", Need::required))
    read_loss(*value, reader.path("loss"), context, train.loss);
  if (const Node* value = reader.find("optimizer", Need::required))
    read_optimizer(*value, reader.path("optimizer"), context, train.optimizer);
  if (const Node* value = reader.find("schedule"))
    read_schedule(*value, reader.path("schedule"), context, train.schedule);
  const bool has_batch = reader.require("global_batch_size", train.global_batch_size, Range{1, 1 << 24});
  const bool has_shards = reader.read("logical_shards", train.logical_shards, Range{1, 1 << 16});
  if (has_batch && !has_shards) train.logical_shards = std::min(train.logical_shards, train.global_batch_size);
  if (has_batch && train.logical_shards > train.global_batch_size) {
    check(reader, "logical_shards", false,
          "must not be more than global_batch_size (" + std::to_string(train.global_batch_size) +
              "): a shard has at least one record");
  }
  reader.read("accumulation", train.accumulation, Range{1, 1 << 20});
  reader.read("drop_last", train.drop_last);
  std::int64_t number = 0;
  if (reader.read("epochs", number, counts)) train.epochs = number;
  if (reader.read("steps", number, counts)) train.steps = number;
  if (reader.has("epochs") == reader.has("steps"))
    report(context, node, path, "needs one of epochs and steps: how long to train");
  if (reader.read("seed", number, Range{0, max_int64})) train.seed = static_cast<std::uint64_t>(number);
  if (double norm = 0; reader.read("clip_grad_norm", norm)) {
    check(reader, "clip_grad_norm", norm > 0, "must be above 0");
    train.clip_grad_norm = norm;
  }
  if (const Node* value = reader.find("skip_outliers"))
    read_skip_outliers(*value, reader.path("skip_outliers"), context, train.skip_outliers.emplace());
  reader.read("reduction", train.reduction);
  reader.read("dealing", train.dealing);
  reader.read("exchange", train.exchange);
  reader.read("optimizer_sharding", train.optimizer_sharding);
  if (std::string file; reader.read("init_from", file)) train.init_from = file;
  reader.finish();
}

void read_evaluation(const Node& node, const Path& path, Context& context, Evaluation& evaluation) {
  MapReader reader(node, path, context);
  std::int64_t number = 0;
  if (reader.read("every_epochs", number, counts)) evaluation.every_epochs = number;
  if (reader.read("every_steps", number, counts)) {
    evaluation.every_steps = number;
    if (reader.has("every_epochs")) check(reader, "every_steps", false, "does not go with every_epochs; keep one");
    evaluation.every_epochs = 0;
  }
  const Node* metrics = reader.find("metrics");
  if (metrics != nullptr && expect_list(context, *metrics, reader.path("metrics"))) {
    for (std::size_t i = 0; i < metrics->items.size(); ++i) {
      EvaluationMetric metric = EvaluationMetric::loss;
      if (read_value(context, metrics->items[i], reader.path("metrics").item(i), metric) &&
          metric != EvaluationMetric::loss)
        evaluation.metrics.push_back(metric);
    }
  }
  if (reader.read("best", evaluation.best)) {
    const auto& all = evaluation.metrics;
    check(reader, "best",
          evaluation.best == EvaluationMetric::loss || std::find(all.begin(), all.end(), evaluation.best) != all.end(),
          "must be loss or one of " + reader.path("metrics").exact);
  }
  reader.read("batch_size", evaluation.batch_size, Range{1, 1 << 20});
  if (const Node* value = reader.find("early_stopping")) {
    EarlyStopping& stop = evaluation.early_stopping.emplace();
    MapReader inner(*value, reader.path("early_stopping"), context);
    inner.read("patience", stop.patience, Range{1, 1'000'000});
    read_at_least_0(inner, "min_delta", stop.min_delta);
    inner.finish();
  }
  reader.finish();
}

void read_checkpoints(const Node& node, const Path& path, Context& context, Checkpoints& checkpoints) {
  MapReader reader(node, path, context);
  if (std::int64_t steps = 0; reader.read("every_steps", steps, counts)) checkpoints.every_steps = steps;
  if (reader.read_time("every", checkpoints.every_seconds) && checkpoints.every_steps)
    check(reader, "every", false, "does not go with every_steps; keep one");
  reader.read("keep", checkpoints.keep, Range{1, 1'000'000});
  reader.finish();
}

void read_train_fault_tolerance(const Node& node, const Path& path, Context& context, FaultTolerance& fault_tolerance) {
  MapReader reader(node, path, context);
  reader.read_time("shard_timeout", fault_tolerance.shard_timeout);
  reader.read_time("rank_timeout", fault_tolerance.rank_timeout);
  reader.read("max_restarts", fault_tolerance.max_restarts, Range{0, 1000});
  reader.read("spares", fault_tolerance.spares, Range{0, 1000});
  reader.finish();
}

}  // namespace shardmill::job
