#include "job/resolved.hpp"

#include <sstream>

#include "job/names.hpp"
#include "job/scalar.hpp"

namespace shardmill::job {
namespace {

// Text in double quotes. Values (not keys) are looked through for ${...} when they are read back.
std::string quoted(const std::string& text, bool is_key = false) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '$' && !is_key) out += '$';
    out += c;
  }
  return out + "\"";
}

std::string key(const std::string& text) { return quoted(text, true); }

std::string list(const std::vector<double>& values) {
  std::string out;
  for (const double value : values) out += (out.empty() ? "" : ", ") + to_text(value);
  return "[" + out + "]";
}

std::string list(const std::vector<std::int64_t>& values) {
  std::string out;
  for (const std::int64_t value : values) out += (out.empty() ? "" : ", ") + std::to_string(value);
  return "[" + out + "]";
}

struct WriteTransform {
  std::string operator()(const Cast& t) const { return "{cast: " + std::string(name_of(t.to)) + "}"; }
  std::string operator()(const Scale& t) const { return "{scale: " + to_text(t.by) + "}"; }
  std::string operator()(const Normalize& t) const {
    return "{normalize: {mean: " + list(t.mean) + ", std: " + list(t.std) + "}}";
  }
  std::string operator()(const Reshape& t) const { return "{reshape: " + list(t.shape) + "}"; }
  std::string operator()(const Permute& t) const { return "{permute: " + list(t.axes) + "}"; }
};

template <typename T>
std::string or_auto(const std::optional<T>& value) {
  return value ? std::to_string(*value) : "auto";
}

void write_dataset(std::ostream& out, const Dataset& dataset) {
  out << "dataset:\n  path: " << quoted(dataset.path.string()) << "\n  inputs:\n";
  for (const Input& input : dataset.inputs) {
    out << "    - name: " << quoted(input.name) << "\n      transforms:" << (input.transforms.empty() ? " []\n" : "\n");
    for (const Transform& transform : input.transforms) {
      out << "        - " << std::visit(WriteTransform{}, transform) << "\n";
    }
  }
  if (dataset.range) {
    out << "  range: {first: " << dataset.range->first << ", last: " << dataset.range->last << "}\n";
  }
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

void write_metrics(std::ostream& out, const std::vector<Metric>& metrics) {
  if (metrics.empty()) return;
  out << "metrics:\n";
  for (const Metric& metric : metrics) {
    out << "  " << key(metric.name) << ":\n    type: " << name_of(metric.type)
        << "\n    output: " << quoted(metric.output) << "\n    target: " << quoted(metric.target) << "\n";
    if (metric.mask) out << "    mask: " << quoted(*metric.mask) << "\n";
  }
}

}  // namespace

std::string to_yaml(const Job& job) {
  std::ostringstream out;
  out << std::boolalpha;
  out << "job: " << name_of(job.kind) << "\nname: " << quoted(job.name) << "\nproject: " << quoted(job.project.string())
      << "\nmodel:\n  path: " << quoted(job.model.path.string()) << "\n  format: " << name_of(job.model.format)
      << "\n  device: " << name_of(job.model.device) << "\n  precision: " << name_of(job.model.precision)
      << "\n  pad_batches: " << job.model.pad_batches << "\n";
  write_dataset(out, job.dataset);
  out << "batch_size: " << job.batch_size << "\nshard_size: " << or_auto(job.shard_size) << "\n";
  write_outputs(out, job.outputs);
  write_metrics(out, job.metrics);
  if (job.output) out << "output: " << quoted(job.output->string()) << "\n";
  const FaultTolerance& ft = job.fault_tolerance;
  out << "fault_tolerance:\n  max_attempts: " << ft.max_attempts << "\n  shard_timeout: " << to_text(ft.shard_timeout)
      << "\n  rank_timeout: " << to_text(ft.rank_timeout) << "\n  on_bad_record: " << name_of(ft.on_bad_record)
      << "\n  finite: " << ft.finite << "\n  max_restarts: " << ft.max_restarts << "\n  spares: " << ft.spares << "\n";
  if (ft.batch_timeout) out << "  batch_timeout: " << to_text(*ft.batch_timeout) << "\n";
  if (ft.max_quarantined) out << "  max_quarantined: " << *ft.max_quarantined << "\n";
  out << "resources:\n  ranks: " << or_auto(job.resources.ranks)
      << "\n  threads_per_rank: " << job.resources.threads_per_rank << "\n";
  return out.str();
}

}  // namespace shardmill::job
