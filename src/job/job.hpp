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
#include "job/exit_codes.hpp"
#include "job/part.hpp"
#include "job/sweep.hpp"
#include "job/train.hpp"
#include "job/zoo.hpp"

namespace shardmill::job {

enum class Kind { infer, train, serve, sweep };
enum class ModelFormat { torchscript, exported, compiled, checkpoint };  // .pt/.pth/.ts, .pt2, .aoti.pt2, .h5
enum class Device { automatic, cpu, cuda };
enum class Precision { float32, bfloat16, float16 };
enum class BatchBy { order, length };
enum class DataPath { automatic, shared, scatter };
enum class OnBadRecord { quarantine, fail };
enum class Post { none, softmax, argmax, top_k, top_k_values };
enum class MetricType { accuracy, mean_absolute_error, mean_squared_error };

struct Model {
  std::filesystem::path path;  // empty if zoo is set
  ModelFormat format = ModelFormat::torchscript;
  Device device = Device::automatic;
  Precision precision = Precision::float32;
  bool pad_batches = false;  // fill up a shard's last batch with zeros, for models of one fixed batch size
  std::optional<Zoo> zoo;    // a built-in network, to be trained

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

// What a client of a server sends for each record.
struct ServeInput {
  std::string name;
  DType dtype = DType::float32;
  std::vector<std::int64_t> shape;  // of a record
  std::vector<Transform> transforms;

  friend bool operator==(const ServeInput&, const ServeInput&) = default;
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

// A model behind a server. A job of one model has it at its top level, under the job's own name.
struct ServedModel {
  std::string name;
  std::string key;  // where it stands in the job file: "" (top level) or "serve.models[0]."
  Model model;
  std::vector<ServeInput> inputs;  // in the order in which the model takes them
  std::vector<Output> outputs;
  std::int64_t max_batch_size = 64;
  double max_queue_delay = 0;  // for a batch that is not full
  std::optional<int> ranks;    // that run this model only; none: it shares the others

  friend bool operator==(const ServedModel&, const ServedModel&) = default;
};

// Of a server: PEM files.
struct Tls {
  std::filesystem::path certificate;  // with what leads to a known authority
  std::filesystem::path key;

  friend bool operator==(const Tls&, const Tls&) = default;
};

struct Serve {
  std::vector<ServedModel> models;  // one at least; the first answers where a client names none
  std::string host = "127.0.0.1";
  int port = 8080;                                   // 0: any that is free
  std::optional<Tls> tls;                            // none: plain HTTP
  std::optional<std::filesystem::path> tokens_file;  // none: anybody may ask
  std::int64_t max_queue = 1024;                     // requests that wait for a model; more are refused
  double timeout = 30;                               // of a request, from when it has been read
  std::int64_t max_body = 16 << 20;                  // bytes of a request
  std::int64_t max_connections = 10'000;
  double idle_timeout = 60;                       // of a connection that asks nothing
  double read_timeout = 30;                       // for the body of a request, and for a client to take its answer
  double drain_timeout = 30;                      // for what is in when the server is asked to stop
  std::optional<std::filesystem::path> idle_job;  // of kind infer: for ranks that have no requests; none: they rest

  friend bool operator==(const Serve&, const Serve&) = default;
};

// Ranks that the models need at least: their own, and one for those that share.
int ranks_needed(const Serve& serve);

// Compares an output with a dataset of the input file, for the summary.
struct Metric {
  std::string name;
  MetricType type = MetricType::accuracy;
  std::string output;
  std::string target;               // dataset in the input file, a value a record
  std::optional<std::string> mask;  // dataset in the input file; only records where it is not 0 count

  friend bool operator==(const Metric&, const Metric&) = default;
};

// So many records, or so many in a hundred of those of the run.
struct RecordLimit {
  std::int64_t records = 0;
  std::optional<double> percent;

  std::int64_t of(std::int64_t all) const;

  friend bool operator==(const RecordLimit&, const RecordLimit&) = default;
};

struct FaultTolerance {
  int max_attempts = 3;                 // of a shard, before its records are judged bad; at least 1
  double shard_timeout = 300;           // without progress; the rank is then taken for dead
  double rank_timeout = 10;             // of silence; the rank is then taken for dead
  std::optional<double> batch_timeout;  // for one batch; the rank is then taken for dead
  OnBadRecord on_bad_record = OnBadRecord::quarantine;
  bool finite = false;                         // a NaN or Inf in a record's output makes it a bad record
  int max_restarts = 3;                        // of mpirun, by the front door
  std::optional<RecordLimit> max_quarantined;  // with more the run ends early as failed
  int spares = 0;                              // ranks that are started in addition and work only when another has died

  friend bool operator==(const FaultTolerance&, const FaultTolerance&) = default;
};

// A rehearsal: faults that the first start of the run meets, and what is to come of it.
struct Faults {
  std::vector<std::string> crash_at;  // as in SHARDMILL_CRASH_AT
  std::vector<std::string> disk;      // as in SHARDMILL_DISK_FAULT
  std::optional<ExitCode> outcome;    // what is expected; none: anything
  std::optional<std::int64_t> faults;
  std::optional<std::int64_t> recovered;

  friend bool operator==(const Faults&, const Faults&) = default;
};

struct Resources {
  std::optional<int> ranks;  // none: a rank for each GPU, else cores / threads_per_rank
  int threads_per_rank = 1;  // fixed by the job, never by the machine: results then have the same bits everywhere

  friend bool operator==(const Resources&, const Resources&) = default;
};

// What `shardmill submit` asks of Slurm. Changes where a job runs, never its results.
struct Slurm {
  std::string partition;  // empty, as for account and qos: the site's default
  std::string account;
  std::string qos;
  int nodes = 1;
  std::optional<int> ranks_per_node;  // none: one for each GPU, else 1
  int gpus_per_node = 0;
  std::optional<double> time;        // none: the partition's limit
  double stop_before = 60;           // the end of the walltime; the run then stops, and is queued again
  int max_requeues = 50;             // by itself
  std::vector<std::string> modules;  // for `module load`
  std::vector<std::string> setup;    // lines of shell before the run
  std::vector<std::string> extra;    // more options of sbatch: "--constraint=a100"

  friend bool operator==(const Slurm&, const Slurm&) = default;
};

struct Job {
  Kind kind = Kind::infer;
  std::string name;
  std::filesystem::path project;  // the folder that relative paths are relative to
  Model model;
  Dataset dataset;
  std::int64_t batch_size = 1;
  std::optional<std::int64_t> shard_size;    // none: from the dataset, batch_size and batch_by alone
  BatchBy batch_by = BatchBy::order;         // which records of a shard share a batch
  bool tune = false;                         // first find the fastest batch size and threads a rank
  DataPath data_path = DataPath::automatic;  // how ranks come to records and results: by the files, or over MPI
  std::optional<std::string> length_from;  // the input whose padding tells a record's length; none: the longest of all
  std::vector<Output> outputs;
  std::vector<Metric> metrics;
  std::optional<std::filesystem::path> output;  // none: results.h5 in the run folder
  std::optional<Part> part;                     // none: all shards. Set by --part, never by a user's file
  FaultTolerance fault_tolerance;
  Resources resources;
  std::optional<Faults> faults;
  Slurm slurm;
  Train train;  // of kind train only; batch_size to metrics are of infer only (outputs of serve too)
  Serve serve;  // of kind serve only, which has no dataset, and has its models there
  Sweep sweep;  // of kind sweep only, whose model and dataset are its trials'

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
