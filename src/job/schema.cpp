#include "job/schema.hpp"

#include <algorithm>
#include <cctype>
#include <limits>

#include "job/map_reader.hpp"
#include "job/parse.hpp"
#include "job/sections.hpp"

namespace shardmill::job {
namespace {

constexpr std::size_t max_name = 64;

// One job with every section, and with an entry in each that the user names.
constexpr std::string_view every_infer_section = R"(
job: infer
name: all
model: {path: m.pt}
dataset:
  path: d.h5
  inputs: [{name: x, transforms: [{normalize: {mean: 0, std: 1}}]}]
  transforms: [{normalize: {mean: 0, std: 1}}]
  range: {first: 0, last: 1}
batch_size: 1
batch_by: length
length_from: x
outputs: {y: {}}
metrics: {accuracy: {output: y, target: t}}
fault_tolerance: {}
resources: {}
faults: {inject: [{crash_at: "mid-batch:1:1"}], expect: {}}
slurm: {modules: [a], setup: [a], extra: [--a]}
)";
constexpr std::string_view every_train_section = R"(
job: train
name: all
model: {zoo: cnn, options: {classes: 2}}
dataset: {path: d.h5, inputs: [x], target: y, split: {}, augment: {}}
training:
  loss: {type: mse}
  optimizer: {type: sgd, learning_rate: 1}
  schedule: {type: constant}
  global_batch_size: 8
  epochs: 1
  skip_outliers: {}
evaluation: {early_stopping: {}}
checkpoints: {}
fault_tolerance: {}
resources: {}
slurm: {modules: [a], setup: [a], extra: [--a]}
)";

constexpr std::string_view every_serve_section = R"(
job: serve
name: all
model: {path: m.pt}
inputs: [{name: x, dtype: float32, shape: [1], transforms: [{normalize: {mean: 0, std: 1}}]}]
outputs: {y: {}}
idle_job: i.yaml
serve:
  tls: {certificate: c.pem, key: k.pem}
  auth: {tokens_file: t}
fault_tolerance: {}
resources: {}
slurm: {modules: [a], setup: [a], extra: [--a]}
)";

constexpr std::string_view every_sweep_section = R"(
job: sweep
name: all
trial: {job: train}
search: {method: random, trials: 1}
parameters: {a: {uniform: [0, 1]}}
objective: loss
fault_tolerance: {}
resources: {}
faults: {inject: [{crash_at: "mid-batch:1:1"}], expect: {}}
slurm: {modules: [a], setup: [a], extra: [--a]}
)";

constexpr std::string_view served_models = R"(
job: serve
name: all
serve:
  models:
    - name: a
      model: {path: m.pt}
      inputs: [{name: x, dtype: float32, shape: [1], transforms: [{normalize: {mean: 0, std: 1}}]}]
      outputs: {y: {}}
)";

void check_length_from(MapReader& reader, const Job& job) {
  const Node& node = *reader.find("length_from");
  if (job.batch_by != BatchBy::length) {
    report(reader.context(), node, reader.path("length_from"), "has a meaning only with batch_by: length");
  }
  std::vector<std::string> names;
  for (const Input& input : job.dataset.inputs) names.push_back(input.name);
  if (std::find(names.begin(), names.end(), *job.length_from) == names.end()) {
    report(reader.context(), node, reader.path("length_from"), "must be an input of the dataset: " + join(names));
  }
}

void read_infer(MapReader& reader, Job& job) {
  Context& context = reader.context();
  if (const Node* node = reader.find("model", Need::required)) {
    read_model(*node, reader.path("model"), context, job.model);
  }
  if (const Node* node = reader.find("dataset", Need::required)) {
    read_dataset(*node, reader.path("dataset"), context, job.dataset);
  }
  reader.require("batch_size", job.batch_size, Range{1, 1 << 20});
  reader.read_or_auto("shard_size", job.shard_size, Range{1, std::numeric_limits<std::int64_t>::max()});
  reader.read("batch_by", job.batch_by);
  reader.read("tune", job.tune);
  if (reader.read("length_from", job.length_from)) check_length_from(reader, job);
  if (const Node* node = reader.find("outputs", Need::required)) {
    read_outputs(*node, reader.path("outputs"), context, job.outputs);
  }
  if (const Node* node = reader.find("metrics")) {
    read_metrics(*node, reader.path("metrics"), context, job.outputs, job.metrics);
  }
  std::string output;
  if (reader.read("output", output)) job.output = output;
  reader.read("data_path", job.data_path);
  if (const Node* node = reader.find("part")) read_part(*node, reader.path("part"), context, job.part);
  if (const Node* node = reader.find("fault_tolerance")) {
    read_fault_tolerance(*node, reader.path("fault_tolerance"), context, job.fault_tolerance);
  }
  if (const Node* node = reader.find("resources")) {
    read_resources(*node, reader.path("resources"), context, job.resources);
  }
  if (const Node* node = reader.find("faults")) {
    read_faults(*node, reader.path("faults"), context, job.faults.emplace());
  }
  if (const Node* node = reader.find("slurm")) read_slurm(*node, reader.path("slurm"), context, job.slurm);
}

void read_train(MapReader& reader, Job& job) {
  Context& context = reader.context();
  Train& train = job.train;
  if (const Node* node = reader.find("model", Need::required))
    read_train_model(*node, reader.path("model"), context, job.model);
  if (const Node* node = reader.find("dataset", Need::required))
    read_train_dataset(*node, reader.path("dataset"), context, job.dataset, train);
  if (const Node* node = reader.find("training", Need::required))
    read_training(*node, reader.path("training"), context, train);
  if (const Node* node = reader.find("evaluation"))
    read_evaluation(*node, reader.path("evaluation"), context, train.evaluation);
  if (const Node* node = reader.find("checkpoints"))
    read_checkpoints(*node, reader.path("checkpoints"), context, train.checkpoints);
  if (const Node* node = reader.find("fault_tolerance"))
    read_train_fault_tolerance(*node, reader.path("fault_tolerance"), context, job.fault_tolerance);
  if (const Node* node = reader.find("faults")) {
    read_faults(*node, reader.path("faults"), context, job.faults.emplace());
  }
  if (const Node* node = reader.find("resources"))
    read_resources(*node, reader.path("resources"), context, job.resources);
  if (const Node* node = reader.find("slurm")) read_slurm(*node, reader.path("slurm"), context, job.slurm);
}

void read_serve_job(MapReader& reader, Job& job) {
  Context& context = reader.context();
  read_serve(reader, job.name, job.serve);
  if (const Node* node = reader.find("fault_tolerance"))
    read_serve_fault_tolerance(*node, reader.path("fault_tolerance"), context, job.fault_tolerance);
  if (const Node* node = reader.find("resources")) {
    read_resources(*node, reader.path("resources"), context, job.resources);
    const Node* ranks = node->is_map() ? node->find("ranks") : nullptr;
    check_serve_ranks(ranks, reader.path("resources").key("ranks"), context, job.serve, job.resources);
  }
  if (const Node* node = reader.find("slurm")) read_slurm(*node, reader.path("slurm"), context, job.slurm);
}

void read_sweep_job(MapReader& reader, Job& job) {
  Context& context = reader.context();
  read_sweep(reader, job.sweep);
  if (const Node* node = reader.find("fault_tolerance"))
    read_sweep_fault_tolerance(*node, reader.path("fault_tolerance"), context, job.fault_tolerance);
  if (const Node* node = reader.find("faults"))
    read_faults(*node, reader.path("faults"), context, job.faults.emplace());
  if (const Node* node = reader.find("resources"))
    read_resources(*node, reader.path("resources"), context, job.resources);
  if (const Node* node = reader.find("slurm")) read_slurm(*node, reader.path("slurm"), context, job.slurm);
}

struct KindSections {
  Kind kind;
  void (*read)(MapReader& reader, Job& job);
};

constexpr std::array kinds{KindSections{Kind::infer, read_infer}, KindSections{Kind::train, read_train},
                           KindSections{Kind::serve, read_serve_job}, KindSections{Kind::sweep, read_sweep_job}};

// False if it names a kind that is none of ours, so that the other keys cannot be judged.
bool read_kind(MapReader& reader, Kind& kind) {
  const Node* node = reader.find("job", Need::required);
  if (node == nullptr || node->reported) return true;
  if (!node->is_scalar()) {
    report(reader.context(), *node, reader.path("job"), "must be a kind of job, not " + node->description());
    return true;
  }
  for (const auto& [name, value] : Names<Kind>::all) {
    if (node->text != name) continue;
    kind = value;
    return true;
  }
  const auto near = nearest(node->text, all_names<Kind>());
  const std::string rest = near ? "; did you mean " + quote(*near) + "?" : "; kinds: " + join(all_names<Kind>());
  reader.context().diagnostics.add(node->location(),
                                   "job kind " + quote(node->text) + " is not available in this version" + rest);
  return near.has_value();
}

Job read(const Node& root, Context& context) {
  Job job;
  MapReader reader(root, {}, context);
  if (!read_kind(reader, job.kind)) return job;
  if (reader.require("name", job.name)) check_name(job.name, "name", root.find("name"), context);
  std::string project;
  if (reader.read("project", project)) job.project = project;
  for (const KindSections& sections : kinds) {
    if (sections.kind == job.kind) sections.read(reader, job);
  }
  reader.finish();
  return job;
}

}  // namespace

void check_name(const std::string& name, const std::string& key, const Node* node, Context& context) {
  const auto allowed = [](unsigned char c) {
    return c < 0x80 && (std::isalnum(c) || c == '.' || c == '_' || c == '-');
  };
  if (!std::all_of(name.begin(), name.end(), allowed) || name[0] == '.' || name.size() > max_name) {
    context.diagnostics.add(node->location(), key +
                                                  " must be 1 to 64 letters, digits, '.', '_' or '-', the first not a "
                                                  "'.'; it is " +
                                                  quote(name));
  }
}

Job read_job(const Node& root, Diagnostics& diagnostics) {
  Context context{diagnostics};
  return read(root, context);
}

std::set<std::string> known_keys() {
  Diagnostics diagnostics;
  std::set<std::string> known;
  for (const std::string_view job :
       {every_infer_section, every_train_section, every_serve_section, served_models, every_sweep_section}) {
    const auto root = parse_yaml(job, "known keys", diagnostics);
    SHARDMILL_CHECK(root.has_value(), "the built-in job is YAML");
    Context context{diagnostics, &known};
    read(*root, context);
  }
  SHARDMILL_CHECK(diagnostics.empty(), "the built-in job has no errors");
  return known;
}

}  // namespace shardmill::job
