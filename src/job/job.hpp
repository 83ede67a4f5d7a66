// A job as the program sees it: typed, complete, checked. Made by load_job (load.hpp) and never changed afterwards.
//
// Paths are absolute. Sizes count records unless they say otherwise; times are in seconds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "job/diagnostics.hpp"
#include "job/dtype.hpp"

namespace shardmill::job {

enum class Kind { infer };  // train, sweep and serve join here; each has its own section type below
enum class ModelFormat { torchscript, exported, compiled };  // .pt/.pth/.ts, .pt2, .aoti.pt2
enum class Device { automatic, cpu, cuda };
enum class Precision { float32, bfloat16, float16 };
enum class OnBadRecord { quarantine, fail };
enum class Post { none, softmax, argmax, top_k, top_k_values };
enum class MetricType { accuracy, mean_absolute_error, mean_squared_error };

struct Model {
  std::filesystem::path path;
  ModelFormat format = ModelFormat::torchscript;
  Device device = Device::automatic;
  Precision precision = Precision::float32;
  bool pad_batches = false;  // fill up a shard's last batch with zeros, for models of one fixed batch size

  friend bool operator==(const Model&, const Model&) = default;
};

// Transforms see a batch: axis 0 is the batch, and axes in the job file count the record's axes from 0.
struct Cast {
  DType to;

  friend bool operator==(const Cast&, const Cast&) = default;
};
struct Scale {
  double by;

  friend bool operator==(const Scale&, const Scale&) = default;
};
struct Normalize {
  std::vector<double> mean;  // one value, or one for each entry of the record's axis 0 (channels)
  std::vector<double> std;

  friend bool operator==(const Normalize&, const Normalize&) = default;
};
struct Reshape {
  std::vector<std::int64_t> shape;  // of a record; one entry may be -1

  friend bool operator==(const Reshape&, const Reshape&) = default;
};
struct Permute {
  std::vector<std::int64_t> axes;  // of a record

  friend bool operator==(const Permute&, const Permute&) = default;
};
using Transform = std::variant<Cast, Scale, Normalize, Reshape, Permute>;

struct Input {
  std::string name;  // an HDF5 dataset's path inside the file
  std::vector<Transform> transforms;

  friend bool operator==(const Input&, const Input&) = default;
};

struct RecordRange {
  std::int64_t first = 0;
  std::int64_t last = 0;  // one past the end

  friend bool operator==(const RecordRange&, const RecordRange&) = default;
};

struct Dataset {
  std::filesystem::path path;
  std::vector<Input> inputs;
  std::optional<RecordRange> range;  // none: all records

  friend bool operator==(const Dataset&, const Dataset&) = default;
};

struct Output {
  std::string name;  // the root dataset of results.h5
  std::string from;  // a key or index of the model's output; empty: the first
  Post post = Post::none;
  int k = 0;                   // for top_k and top_k_values
  std::optional<DType> dtype;  // none: as post-processing gives it (float16 and bfloat16 become float32)

  friend bool operator==(const Output&, const Output&) = default;
};

// Compares an output with a dataset of the input file, for the summary.
struct Metric {
  std::string name;
  MetricType type = MetricType::accuracy;
  std::string output;
  std::string target;               // dataset in the input file, a value a record
  std::optional<std::string> mask;  // dataset in the input file; only records where it is not 0 count

  friend bool operator==(const Metric&, const Metric&) = default;
};

struct FaultTolerance {
  int max_attempts = 3;                 // of a shard, before its records are judged bad; at least 1
  double shard_timeout = 300;           // without progress; the rank is then taken for dead
  double rank_timeout = 10;             // of silence; the rank is then taken for dead
  std::optional<double> batch_timeout;  // for one batch; the rank is then taken for dead
  OnBadRecord on_bad_record = OnBadRecord::quarantine;
  bool finite = false;                          // a NaN or Inf in a record's output makes it a bad record
  int max_restarts = 3;                         // of mpirun, by the front door
  std::optional<std::int64_t> max_quarantined;  // records; with more the run ends early as failed
  int spares = 0;  // ranks that are started in addition and work only when another has died

  friend bool operator==(const FaultTolerance&, const FaultTolerance&) = default;
};

struct Resources {
  std::optional<int> ranks;  // none: a rank for each GPU, else cores / threads_per_rank
  int threads_per_rank = 1;  // fixed by the job, never by the machine: results then have the same bits everywhere

  friend bool operator==(const Resources&, const Resources&) = default;
};

struct Job {
  Kind kind = Kind::infer;
  std::string name;
  std::filesystem::path project;  // the folder that relative paths are relative to
  Model model;
  Dataset dataset;
  std::int64_t batch_size = 1;
  std::optional<std::int64_t> shard_size;  // none: from the dataset and batch_size alone
  std::vector<Output> outputs;
  std::vector<Metric> metrics;
  std::optional<std::filesystem::path> output;  // none: results.h5 in the run folder
  FaultTolerance fault_tolerance;
  Resources resources;

  // The job after profile, overrides and environment, as YAML that load_job reads back to an equal Job.
  std::string resolved_yaml;
  // Where each key came from: "dataset.inputs[0]" -> jobs/x.yaml:7:12. Keys left out are absent; "" is the file.
  std::map<std::string, Location> locations;

  // The place of the key, else of the nearest enclosing key that has one, else of the file.
  Location where(const std::string& key) const;

  // The same job, wherever it was written: locations and resolved_yaml do not count.
  friend bool operator==(const Job& a, const Job& b);
};

}  // namespace shardmill::job
