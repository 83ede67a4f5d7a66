#include "job/resolved.hpp"

#include <sstream>

#include "job/names.hpp"
#include "job/node_text.hpp"
#include "job/resolved_parts.hpp"
#include "job/scalar.hpp"

namespace shardmill::job {

// Text in double quotes. Values (not keys) are looked through for ${...} when they are read back.
std::string quoted(const std::string& text, bool is_key) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '$' && !is_key) out += '$';
    out += c;
  }
  return out + "\"";
}

std::string list(const std::vector<std::int64_t>& values) {
  std::string out;
  for (const std::int64_t value : values) out += (out.empty() ? "" : ", ") + std::to_string(value);
  return "[" + out + "]";
}

namespace {

template <typename T>
std::string or_auto(const std::optional<T>& value) {
  return value ? std::to_string(*value) : "auto";
}

std::string key(const std::string& text) { return quoted(text, true); }

std::string numbers(const std::vector<double>& values) {
  std::string out;
  for (const double value : values) out += (out.empty() ? "" : ", ") + to_text(value);
  return "[" + out + "]";
}

struct WriteTransform {
  std::string operator()(const Cast& t) const { return "{cast: " + std::string(name_of(t.to)) + "}"; }
  std::string operator()(const Scale& t) const { return "{scale: " + to_text(t.by) + "}"; }
  std::string operator()(const Normalize& t) const {
    return "{normalize: {mean: " + numbers(t.mean) + ", std: " + numbers(t.std) + "}}";
  }
  std::string operator()(const Reshape& t) const { return "{reshape: " + list(t.shape) + "}"; }
  std::string operator()(const Permute& t) const { return "{permute: " + list(t.axes) + "}"; }
};

}  // namespace

void write_transforms(std::ostream& out, const std::vector<Transform>& transforms) {
  out << "      transforms:" << (transforms.empty() ? " []\n" : "\n");
  for (const Transform& transform : transforms) out << "        - " << std::visit(WriteTransform{}, transform) << "\n";
}

void write_outputs(std::ostream& out, const std::vector<Output>& outputs) {
  out << "outputs:\n";
  for (const Output& output : outputs) {
    out << "  " << key(output.name) << ":\n    post: " << name_of(output.post) << "\n";
    if (!output.from.empty()) out << "    from: " << quoted(output.from) << "\n";
    if (output.k > 0) out << "    k: " << output.k << "\n";
    if (output.dtype) out << "    dtype: " << name_of(*output.dtype) << "\n";
  }
}

void write_model(std::ostream& out, const Model& model) {
  out << "model:\n  path: " << quoted(model.path.string()) << "\n  format: " << name_of(model.format)
      << "\n  device: " << name_of(model.device) << "\n  precision: " << name_of(model.precision)
      << "\n  pad_batches: " << model.pad_batches << "\n";
}

namespace {

void write_dataset(std::ostream& out, const Dataset& dataset) {
  out << "dataset:\n  path: " << quoted(dataset.path.string()) << "\n  inputs:\n";
  for (const Input& input : dataset.inputs) {
    out << "    - name: " << quoted(input.name) << "\n";
    write_transforms(out, input.transforms);
  }
  if (dataset.range) {
    out << "  range: {first: " << dataset.range->first << ", last: " << dataset.range->last << "}\n";
  }
}

void write_metrics(std::ostream& out, const std::vector<Metric>& metrics) {
  if (metrics.empty()) return;
  out << "metrics:\n";
  for (const Metric& metric : metrics) {
    out << "  " << key(metric.name) << ":\n    type: " << name_of(metric.type)
        << "\n    output: " << quoted(metric.output) << "\n    target: " << quoted(metric.target) << "\n";
    if (metric.mask) out << "    mask: " << quoted(*metric.mask) << "\n";
  }
}

std::string limit_text(const RecordLimit& limit) {
  return limit.percent ? to_text(*limit.percent) + "%" : std::to_string(limit.records);
}

void write_faults(std::ostream& out, const Faults& faults) {
  out << "faults:\n  inject:" << (faults.crash_at.empty() && faults.disk.empty() ? " []\n" : "\n");
  for (const std::string& fault : faults.crash_at) out << "    - crash_at: " << quoted(fault) << "\n";
  for (const std::string& fault : faults.disk) out << "    - disk: " << quoted(fault) << "\n";
  if (!faults.outcome && !faults.faults && !faults.recovered) return;
  out << "  expect:\n";
  if (faults.outcome) out << "    outcome: " << name_of(*faults.outcome) << "\n";
  if (faults.faults) out << "    faults: " << *faults.faults << "\n";
  if (faults.recovered) out << "    recovered: " << *faults.recovered << "\n";
}

void write_fault_tolerance(std::ostream& out, const Job& job) {
  const FaultTolerance& ft = job.fault_tolerance;
  out << "fault_tolerance:\n";
  if (job.kind != Kind::serve) out << "  shard_timeout: " << to_text(ft.shard_timeout) << "\n";
  out << "  rank_timeout: " << to_text(ft.rank_timeout) << "\n  max_restarts: " << ft.max_restarts << "\n";
  if (job.kind != Kind::sweep) out << "  spares: " << ft.spares << "\n";
  if (job.kind == Kind::train) return;
  out << "  max_attempts: " << ft.max_attempts << "\n";
  if (job.kind != Kind::sweep) out << "  finite: " << ft.finite << "\n";
  if (job.kind == Kind::infer) out << "  on_bad_record: " << name_of(ft.on_bad_record) << "\n";
  if (ft.batch_timeout) out << "  batch_timeout: " << to_text(*ft.batch_timeout) << "\n";
  if (ft.max_quarantined) out << "  max_quarantined: " << limit_text(*ft.max_quarantined) << "\n";
}

std::string texts(const std::vector<std::string>& values) {
  std::string out;
  for (const std::string& value : values) out += (out.empty() ? "" : ", ") + quoted(value);
  return "[" + out + "]";
}

void write_sweep(std::ostream& out, const Sweep& sweep) {
  out << "trial:\n" << block_text(sweep.trial, 2) << "search: {method: " << name_of(sweep.method);
  if (sweep.method == SearchMethod::random) out << ", trials: " << sweep.draws << ", seed: " << sweep.seed;
  out << "}\nparameters:\n" << block_text(sweep.parameters, 2) << "objective: " << name_of(sweep.objective) << "\n";
}

void write_slurm(std::ostream& out, const Slurm& slurm) {
  out << "slurm:\n  nodes: " << slurm.nodes << "\n  ranks_per_node: " << or_auto(slurm.ranks_per_node)
      << "\n  gpus_per_node: " << slurm.gpus_per_node << "\n  stop_before: " << to_text(slurm.stop_before)
      << "\n  max_requeues: " << slurm.max_requeues << "\n";
  if (!slurm.partition.empty()) out << "  partition: " << quoted(slurm.partition) << "\n";
  if (!slurm.account.empty()) out << "  account: " << quoted(slurm.account) << "\n";
  if (!slurm.qos.empty()) out << "  qos: " << quoted(slurm.qos) << "\n";
  if (slurm.time) out << "  time: " << to_text(*slurm.time) << "\n";
  out << "  modules: " << texts(slurm.modules) << "\n  setup: " << texts(slurm.setup)
      << "\n  extra: " << texts(slurm.extra) << "\n";
}

}  // namespace

std::string to_yaml(const Job& job) {
  std::ostringstream out;
  out << std::boolalpha;
  out << "job: " << name_of(job.kind) << "\nname: " << quoted(job.name) << "\nproject: " << quoted(job.project.string())
      << "\n";
  if (job.kind == Kind::train) {
    write_train_model(out, job.model);
    write_dataset(out, job.dataset);
    write_train(out, job.train);
  } else if (job.kind == Kind::serve) {
    write_serve(out, job.serve);
  } else if (job.kind == Kind::sweep) {
    write_sweep(out, job.sweep);
  } else {
    write_model(out, job.model);
    write_dataset(out, job.dataset);
    out << "batch_size: " << job.batch_size << "\nshard_size: " << or_auto(job.shard_size)
        << "\nbatch_by: " << name_of(job.batch_by) << "\n";
    if (job.tune) out << "tune: true\n";
    if (job.length_from) out << "length_from: " << quoted(*job.length_from) << "\n";
    write_outputs(out, job.outputs);
    write_metrics(out, job.metrics);
    if (job.output) out << "output: " << quoted(job.output->string()) << "\n";
    out << "data_path: " << name_of(job.data_path) << "\n";
    if (job.part) out << "part: " << quoted(to_text(*job.part)) << "\n";
  }
  write_fault_tolerance(out, job);
  out << "resources:\n  ranks: " << or_auto(job.resources.ranks)
      << "\n  threads_per_rank: " << job.resources.threads_per_rank << "\n";
  if (job.faults) write_faults(out, *job.faults);
  write_slurm(out, job.slurm);
  return out.str();
}

}  // namespace shardmill::job
