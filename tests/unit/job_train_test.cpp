// The sections of a training job.
#include <gmock/gmock.h>

#include "job/error.hpp"
#include "job/zoo_text.hpp"
#include "job_fixture.hpp"

namespace shardmill::job {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const char* const small_job = R"(job: train
name: digits
model: {zoo: cnn, options: {classes: 10}}
dataset: {path: data/d.h5, inputs: [images], target: labels}
training:
  loss: cross_entropy
  optimizer: {type: sgd, learning_rate: 0.1}
  global_batch_size: 64
  epochs: 3
)";

const char* const full_job = R"(job: train
name: digits
model: {zoo: mlp, options: {inputs: 64, hidden: [32, 16], outputs: 10, activation: gelu, dropout: 0.1}, device: cpu}
dataset:
  path: data/d.h5
  inputs: [images]
  target: labels
  range: {first: 10, last: 1000}
  split: {validation: 0.25, seed: 9}
  augment: {flip: 0.5, crop_padding: 4}
training:
  loss: {type: cross_entropy, label_smoothing: 0.1}
  optimizer: {type: adamw, learning_rate: 1e-3, beta1: 0.8, beta2: 0.95, epsilon: 1e-7, weight_decay: 0.1, decay_all: true}
  schedule: {type: cosine, warmup_steps: 10, final_factor: 0.1}
  global_batch_size: 96
  logical_shards: 12
  accumulation: 2
  drop_last: false
  steps: 500
  seed: 7
  clip_grad_norm: 1.5
  skip_outliers: {z_score: 4, window: 50}
  reduction: fast
  dealing: even
  exchange: mpi
  optimizer_sharding: true
  init_from: data/m.pt
evaluation: {every_steps: 50, metrics: [accuracy, top_5], best: accuracy, batch_size: 128,
             early_stopping: {patience: 3, min_delta: 0.001}}
checkpoints: {every_steps: 20, keep: 5}
fault_tolerance: {rank_timeout: 1s, shard_timeout: 1m, max_restarts: 1, spares: 2}
resources: {ranks: 4, threads_per_rank: 2}
)";

class TrainJob : public JobTest {
 protected:
  static std::string changed(const std::string& line, const std::string& replacement) {
    std::string text = small_job;
    return text.replace(text.find(line), line.size(), replacement);
  }
};

TEST_F(TrainJob, ReadsEveryKey) {
  const Job job = load(full_job);
  EXPECT_EQ(job.kind, Kind::train);
  ASSERT_TRUE(job.model.zoo);
  EXPECT_EQ(std::get<Mlp>(*job.model.zoo), (Mlp{64, {32, 16}, 10, Activation::gelu, 0.1}));
  EXPECT_EQ(job.dataset.range, (RecordRange{10, 1000}));
  const Train& train = job.train;
  EXPECT_THAT(train.targets, ElementsAre("labels"));
  EXPECT_EQ(train.split, (Split{0.25, 9, std::nullopt}));
  EXPECT_EQ(train.augment, (Augmentation{0.5, 4}));
  EXPECT_EQ(train.loss, (Loss{LossType::cross_entropy, 0.1}));
  EXPECT_EQ(train.optimizer, (Optimizer{OptimizerType::adamw, 1e-3, 0, false, 0.8, 0.95, 1e-7, 0.1, true}));
  EXPECT_EQ(train.schedule.type, ScheduleType::cosine);
  EXPECT_EQ(train.schedule.warmup_steps, 10);
  EXPECT_EQ(train.schedule.final_factor, 0.1);
  EXPECT_EQ(train.global_batch_size, 96);
  EXPECT_EQ(train.logical_shards, 12);
  EXPECT_EQ(train.accumulation, 2);
  EXPECT_FALSE(train.drop_last);
  EXPECT_EQ(train.steps, 500);
  EXPECT_FALSE(train.epochs);
  EXPECT_EQ(train.seed, 7u);
  EXPECT_EQ(train.clip_grad_norm, 1.5);
  EXPECT_EQ(train.skip_outliers, (SkipOutliers{4, 50}));
  EXPECT_EQ(train.reduction, Reduction::fast);
  EXPECT_EQ(train.dealing, Dealing::even);
  EXPECT_EQ(train.exchange, Exchange::mpi);
  EXPECT_TRUE(train.optimizer_sharding);
  EXPECT_EQ(train.init_from, folder_ / "data/m.pt");
  EXPECT_EQ(train.evaluation.every_steps, 50);
  EXPECT_THAT(train.evaluation.metrics, ElementsAre(EvaluationMetric::accuracy, EvaluationMetric::top_5));
  EXPECT_EQ(train.evaluation.best, EvaluationMetric::accuracy);
  EXPECT_EQ(train.evaluation.batch_size, 128);
  EXPECT_EQ(train.evaluation.early_stopping, (EarlyStopping{3, 0.001}));
  EXPECT_EQ(train.checkpoints.every_steps, 20);
  EXPECT_EQ(train.checkpoints.keep, 5);
  EXPECT_EQ(job.fault_tolerance.rank_timeout, 1);
  EXPECT_EQ(job.fault_tolerance.spares, 2);
  EXPECT_EQ(job.resources, (Resources{4, 2}));
}

TEST_F(TrainJob, FillsInDefaults) {
  const Train train = load(small_job).train;
  EXPECT_EQ(train.logical_shards, 8);
  EXPECT_EQ(train.reduction, Reduction::ordered);
  EXPECT_EQ(train.dealing, Dealing::by_speed);
  EXPECT_EQ(train.exchange, Exchange::automatic);
  EXPECT_FALSE(train.optimizer_sharding);
  EXPECT_EQ(train.evaluation, Evaluation{});
  EXPECT_EQ(train.checkpoints, Checkpoints{});
  // No shard without a record.
  EXPECT_EQ(load(changed("global_batch_size: 64", "global_batch_size: 3")).train.logical_shards, 3);
}

TEST_F(TrainJob, ResolvedYamlReadsBackToAnEqualJob) {
  std::vector<std::string> jobs{small_job, full_job};
  for (const char* model :
       {"{zoo: resnet50, options: {classes: 5, stem: cifar}}",
        "{zoo: gpt, options: {vocab_size: 256, block_size: 64, heads: 2, width: 32, bias: false}}",
        "{zoo: encoder, options: {vocab_size: 99, max_length: 64, classes: 2, dropout: 0.1}}", "{path: data/m.pt}"}) {
    jobs.push_back(changed("{zoo: cnn, options: {classes: 10}}", model));
  }
  for (const char* schedule : {"{type: step, step_every: 10, step_factor: 0.5}", "{type: linear, final_factor: 0.5}",
                               "{type: one_cycle, peak_at: 0.2, initial_factor: 0.1}"}) {
    jobs.push_back(changed("  epochs: 3", "  epochs: 3\n  schedule: " + std::string(schedule)));
  }
  jobs.push_back(changed("target: labels", "sequence: 64, split: {validation: 0.1}"));
  jobs.push_back(changed("type: sgd,", "type: sgd, momentum: 0.9, nesterov: true, weight_decay: 5e-4,"));
  for (const std::string& text : jobs) {
    SCOPED_TRACE(text);
    const Job job = load(text);
    const Job again = load_job(write("elsewhere/resolved.yaml", job.resolved_yaml));
    EXPECT_TRUE(job == again) << job.resolved_yaml;
    EXPECT_EQ(again.resolved_yaml, job.resolved_yaml);
  }
}

TEST_F(TrainJob, NetworksReadBackFromText) {
  for (const Zoo& zoo : {Zoo(Mlp{64, {32, 16}, 10, Activation::tanh, 0.25}), Zoo(Cnn{3, {8}, 2, 0.1}),
                         Zoo(ResNet{50, 1, 7, Stem::cifar}), Zoo(Gpt{99, 16, 2, 2, 32, 0.1, false}),
                         Zoo(Encoder{99, 16, 2, 2, 32, 3, 0})}) {
    EXPECT_TRUE(zoo_from_yaml(zoo_to_yaml(zoo)) == zoo) << zoo_to_yaml(zoo);
  }
  EXPECT_THROW(zoo_from_yaml("{zoo: perceptron}"), StoreError);
  EXPECT_THROW(zoo_from_yaml("{zoo: cnn, options: {colour: red}}"), StoreError);
  EXPECT_THROW(zoo_from_yaml(": ["), StoreError);
}

TEST_F(TrainJob, SaysWhatDoesNotGoTogether) {
  const std::vector<std::tuple<std::string, std::string, std::string>> cases{
      {"epochs: 3", "epochs: 3\n  steps: 5", "needs one of epochs and steps"},
      {"loss: cross_entropy", "loss: {type: mse, label_smoothing: 0.1}",
       "label_smoothing does not belong to type: mse"},
      {"type: sgd,", "type: sgd, nesterov: true,", "nesterov needs momentum"},
      {"learning_rate: 0.1", "learning_rate: 0", "learning_rate must be above 0"},
      {"  epochs: 3", "  epochs: 3\n  schedule: {type: step}", "needs step_every"},
      {"  epochs: 3", "  epochs: 3\n  schedule: {type: constant, final_factor: 1}",
       "does not belong to type: constant"},
      {"target: labels", "sequence: 64, target: labels", "does not go with sequence"},
      {"target: labels", "target: labels, split: {validation: 0.1, mask: m}", "has both validation"},
      {"target: labels", "target: labels, split: {validation: 1}", "must be at least 0 and below 1"},
      {"{zoo: cnn, options: {classes: 10}}", "{zoo: gpt, options: {vocab_size: 9, block_size: 9, width: 10}}",
       "must be a multiple of heads"},
      {"{zoo: cnn, options: {classes: 10}}", "{options: {classes: 10}}", "needs one of zoo"},
      {"{zoo: cnn, options: {classes: 10}}", "{zoo: cnn, path: data/m.pt, options: {classes: 10}}", "needs one of zoo"},
      {"  epochs: 3", "  epochs: 3\nevaluation: {every_epochs: 1, every_steps: 9}", "does not go with every_epochs"},
      {"  epochs: 3", "  epochs: 3\nfault_tolerance: {finite: true}", "unknown key 'finite'"},
  };
  for (const auto& [line, replacement, expected] : cases)
    EXPECT_THAT(errors(changed(line, replacement)), HasSubstr(expected));
}

}  // namespace
}  // namespace shardmill::job
