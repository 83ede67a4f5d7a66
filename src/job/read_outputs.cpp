#include <algorithm>
#include <limits>

#include "job/sections.hpp"
#include "job/utf8.hpp"

namespace shardmill::job {
namespace {

constexpr std::size_t max_entry_name = 255;

bool is_plain_name(const std::string& name) {
  return !name.empty() && name.size() <= max_entry_name && !find_bad_text(name) &&
         name.find_first_of("\t\r\n") == std::string::npos;
}

bool is_floating(DType dtype) {
  return dtype == DType::float16 || dtype == DType::bfloat16 || dtype == DType::float32 || dtype == DType::float64;
}

// Outputs are root datasets of the results file.
void check_output_name(const Node& node, Context& context) {
  const std::string& name = node.key;
  std::string why;
  if (name == "shardmill") {
    why = "is taken by the results file's own group";
  } else if (!is_plain_name(name) || name == "." || name == ".." || name.find('/') != std::string::npos) {
    why = "cannot name a dataset: 1 to 255 bytes without '/' and control characters, not '.' or '..'";
  }
  if (!why.empty()) context.diagnostics.add(node.key_place.location(), "output name " + quote(name) + " " + why);
}

void read_output(const Node& node, const Path& path, Context& context, Output& output) {
  MapReader reader(node, path, context);
  reader.read("from", output.from);
  const bool has_post = reader.read("post", output.post);
  const bool has_k = reader.read("k", output.k, Range{1, std::numeric_limits<int>::max()});
  const bool has_dtype = reader.read("dtype", output.dtype);
  reader.finish();
  if (has_dtype && output.dtype == DType::bfloat16) {
    report(context, *node.find("dtype"), path.key("dtype"),
           "cannot be bfloat16, which HDF5 does not have; float32 holds the same values");
  }
  if (reader.has("post") && !has_post) return;

  const std::string post(name_of(output.post));
  const bool takes_k = output.post == Post::top_k || output.post == Post::top_k_values;
  if (takes_k && !reader.has("k")) report(context, node, path, "needs k, the number of values that " + post + " keeps");
  if (!takes_k && has_k) report(context, *node.find("k"), path.key("k"), "belongs to post: top_k or top_k_values only");
  const bool gives_indices = output.post == Post::argmax || output.post == Post::top_k;
  if (gives_indices && has_dtype && is_floating(*output.dtype)) {
    report(context, *node.find("dtype"), path.key("dtype"),
           "must be an integer type, since " + post + " gives indices");
  }
}

}  // namespace

void read_outputs(const Node& node, const Path& path, Context& context, std::vector<Output>& outputs) {
  if (!node.is_map() && !node.is_null()) {
    report(context, node, path, "must be a mapping of names to outputs, not " + node.description());
    return;
  }
  if (node.items.empty()) report(context, node, path, "must name at least one output");
  for (const Node& item : node.items) {
    check_output_name(item, context);
    Output output;
    output.name = item.key;
    read_output(item, path.entry(item.key), context, output);
    outputs.push_back(std::move(output));
  }
}

void read_metrics(const Node& node, const Path& path, Context& context, const std::vector<Output>& outputs,
                  std::vector<Metric>& metrics) {
  if (!node.is_map() && !node.is_null()) {
    report(context, node, path, "must be a mapping of names to metrics, not " + node.description());
    return;
  }
  std::vector<std::string> output_names;
  for (const Output& output : outputs) output_names.push_back(output.name);
  const std::vector<std::string> types = all_names<MetricType>();

  for (const Node& item : node.items) {
    Metric metric;
    metric.name = item.key;
    if (!is_plain_name(metric.name)) {
      context.diagnostics.add(item.key_place.location(), "metric name " + quote(metric.name) +
                                                             " must be 1 to 255 bytes without control characters");
    }
    MapReader reader(item, path.entry(item.key), context);
    reader.read("type", metric.type);
    for (const auto& [name, type] : Names<MetricType>::all) {
      if (!reader.has("type") && name == metric.name) metric.type = type;
    }
    if (!reader.has("type") && std::find(types.begin(), types.end(), metric.name) == types.end()) {
      context.diagnostics.add(item.location(),
                              reader.path().exact + " needs a type" + suggest(metric.name, types, "it is one of"));
    }
    if (reader.require("output", metric.output) &&
        std::find(output_names.begin(), output_names.end(), metric.output) == output_names.end()) {
      report(context, *item.find("output"), reader.path("output"),
             "names no output of this job: " + quote(metric.output) + suggest(metric.output, output_names, "outputs"));
    }
    reader.require("target", metric.target);
    reader.read("mask", metric.mask);
    reader.finish();
    metrics.push_back(std::move(metric));
  }
}

}  // namespace shardmill::job
