// What `job: train` adds to a job: how the records become steps, and the steps a trained model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace shardmill::job {

enum class LossType { cross_entropy, mse, l1, bce_with_logits, next_token };
enum class OptimizerType { sgd, adam, adamw };
enum class ScheduleType { constant, step, cosine, linear, one_cycle };
enum class Reduction { ordered, fast };
enum class Dealing { by_speed, even };
enum class Exchange { automatic, nccl, mpi };
enum class EvaluationMetric { loss, accuracy, top_5, mean_absolute_error, mean_squared_error, perplexity };

// Else lower values are.
bool higher_is_better(EvaluationMetric metric);

struct Loss {
  LossType type = LossType::cross_entropy;
  double label_smoothing = 0;  // cross_entropy and next_token

  friend bool operator==(const Loss&, const Loss&) = default;
};

// Names and meaning are those of torch.optim. Biases and the parameters of norms (all of one dimension or less) are not
// decayed unless decay_all is set.
struct Optimizer {
  OptimizerType type = OptimizerType::sgd;
  double learning_rate = 0;  // the highest that the schedule gives
  double momentum = 0;       // sgd
  bool nesterov = false;     // sgd
  double beta1 = 0.9;        // adam, adamw
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;  // sgd and adam: added to the gradient; adamw: decoupled
  bool decay_all = false;

  friend bool operator==(const Optimizer&, const Optimizer&) = default;
};

// A factor of the learning rate for every step. Warm-up rises linearly over the first warmup_steps steps.
struct Schedule {
  ScheduleType type = ScheduleType::constant;
  std::int64_t warmup_steps = 0;
  double final_factor = 0;       // cosine, linear, one_cycle: reached at the last step
  double initial_factor = 0.04;  // one_cycle: of its first step
  double peak_at = 0.3;          // one_cycle: the share of the steps that rise
  std::int64_t step_every = 0;   // step: in steps
  double step_factor = 0.1;      // step

  friend bool operator==(const Schedule&, const Schedule&) = default;
};

// Which records are trained on. Of the dataset's range either a share for validation, chosen by a keyed permutation, or
// the records where a dataset of the file is not 0.
struct Split {
  double validation = 0;  // share, 0 <= validation < 1
  std::uint64_t seed = 0;
  std::optional<std::string> mask;  // a dataset of the file, one value a record; not 0: validation

  friend bool operator==(const Split&, const Split&) = default;
};

// Random changes of a training record, seeded by (seed, epoch, record). Images are [channels, height, width] or
// [height, width].
struct Augmentation {
  double flip = 0;                // probability of a horizontal flip
  std::int64_t crop_padding = 0;  // zeros at each side, of which a random window of the old size is cut
  friend bool operator==(const Augmentation&, const Augmentation&) = default;
};

// Skips a step whose loss or gradient norm lies more than z_score standard deviations above the mean of the last
// `window` steps that were taken.
struct SkipOutliers {
  double z_score = 6;
  std::int64_t window = 100;

  friend bool operator==(const SkipOutliers&, const SkipOutliers&) = default;
};

struct EarlyStopping {
  std::int64_t patience = 5;  // evaluations without an improvement
  double min_delta = 0;

  friend bool operator==(const EarlyStopping&, const EarlyStopping&) = default;
};

struct Evaluation {
  std::int64_t every_epochs = 1;  // 0: only where every_steps says so
  std::optional<std::int64_t> every_steps;
  std::vector<EvaluationMetric> metrics;           // loss is always there
  EvaluationMetric best = EvaluationMetric::loss;  // decides which checkpoint is the best, and about stopping early
  std::optional<EarlyStopping> early_stopping;
  std::int64_t batch_size = 0;  // 0: the size of a logical shard's batch

  friend bool operator==(const Evaluation&, const Evaluation&) = default;
};

struct Checkpoints {
  std::optional<std::int64_t> every_steps;
  double every_seconds = 60;  // where every_steps is not given
  std::int64_t keep = 3;      // the newest; the best stays in addition

  friend bool operator==(const Checkpoints&, const Checkpoints&) = default;
};

struct Train {
  std::vector<std::string> targets;      // dataset paths; one, or none for next_token
  std::optional<std::int64_t> sequence;  // the input is one stream of tokens, cut into blocks of this length
  Split split;
  Augmentation augment;
  Loss loss;
  Optimizer optimizer;
  Schedule schedule;
  std::int64_t global_batch_size = 0;  // records a step, over all ranks
  std::int64_t logical_shards = 8;     // the parts of a step; up to so many ranks can share it
  std::int64_t accumulation = 1;       // forward and backward passes a logical shard's batch is cut into
  bool drop_last = true;               // an epoch's last, smaller batch is left out
  std::optional<std::int64_t> epochs;  // one of the two
  std::optional<std::int64_t> steps;
  std::uint64_t seed = 0;
  std::optional<double> clip_grad_norm;
  std::optional<SkipOutliers> skip_outliers;
  Reduction reduction = Reduction::ordered;
  Dealing dealing = Dealing::by_speed;             // of a step's logical shards to the ranks
  Exchange exchange = Exchange::automatic;         // what carries the gradients
  bool optimizer_sharding = false;                 // each rank holds a part of the optimizer's state
  std::optional<std::filesystem::path> init_from;  // a checkpoint or a safetensors file
  Evaluation evaluation;
  Checkpoints checkpoints;

  friend bool operator==(const Train&, const Train&) = default;
};

}  // namespace shardmill::job
