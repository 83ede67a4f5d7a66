#include <charconv>
#include <string_view>

#include "job/sections.hpp"

namespace shardmill::job {
namespace {

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

std::optional<ModelFormat> format_by_suffix(const std::string& path) {
  if (ends_with(path, ".aoti.pt2")) return ModelFormat::compiled;
  if (ends_with(path, ".pt2")) return ModelFormat::exported;
  if (ends_with(path, ".h5")) return ModelFormat::checkpoint;
  if (ends_with(path, ".pt") || ends_with(path, ".pth") || ends_with(path, ".ts")) return ModelFormat::torchscript;
  return std::nullopt;
}

}  // namespace

void read_model(const Node& node, const Path& path, Context& context, Model& model) {
  MapReader reader(node, path, context);
  std::string file;
  const bool has_file = reader.require("path", file);
  model.path = file;
  bool has_format = reader.read("format", model.format);
  if (!has_format && !reader.has("format") && has_file) {
    if (const auto format = format_by_suffix(file)) {
      model.format = *format;
      has_format = true;
    } else {
      report(context, *node.find("path"), path.key("path"),
             "ends in none of .pt, .pth, .ts, .pt2, .aoti.pt2, .h5; set " + path.key("format").exact + " to one of " +
                 join(all_names<ModelFormat>()));
    }
  }
  reader.read("device", model.device);
  const bool has_precision = reader.read("precision", model.precision);
  if (has_precision && has_format && model.precision != Precision::float32 &&
      model.format != ModelFormat::torchscript) {
    report(context, *node.find("precision"), path.key("precision"),
           "can only be chosen for a torchscript model; a model of format " + std::string(name_of(model.format)) +
               " has the precision that it was saved with (leave it out, or write float32)");
  }
  reader.read("pad_batches", model.pad_batches);
  reader.finish();
}

void read_limit(const Node& node, const Path& path, Context& context, std::optional<RecordLimit>& into) {
  if (!node.is_scalar() || node.text.empty() || node.text.back() != '%') {
    RecordLimit limit;
    if (read_value(context, node, path, limit.records, Range{0, std::int64_t{1} << 62})) into = limit;
    return;
  }
  double percent = -1;
  const std::string_view number(node.text.data(), node.text.size() - 1);
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), percent);
  if (error != std::errc() || end != number.data() + number.size() || !(percent >= 0 && percent <= 100)) {
    report(context, node, path,
           "must be a number of records or a percentage from 0% to 100%, not " + node.description());
    return;
  }
  into = RecordLimit{0, percent};
}

void read_train_model(const Node& node, const Path& path, Context& context, Model& model) {
  MapReader reader(node, path, context);
  Zoo zoo;
  if (read_zoo(reader, zoo)) model.zoo = std::move(zoo);
  std::string file;
  const bool has_file = reader.read("path", file);
  model.path = file;
  if (reader.has("zoo") == reader.has("path")) {
    report(context, node, path, "needs one of zoo (" + join(zoo_names()) + ") and path (a TorchScript module)");
  } else if (has_file && format_by_suffix(file) && *format_by_suffix(file) != ModelFormat::torchscript) {
    report(context, *node.find("path"), path.key("path"),
           "cannot be trained: an exported or compiled program has no training mode; give a TorchScript module");
  }
  reader.read("device", model.device);
  reader.read("precision", model.precision);
  reader.finish();
}

void read_fault_tolerance(const Node& node, const Path& path, Context& context, FaultTolerance& fault_tolerance) {
  MapReader reader(node, path, context);
  reader.read("max_attempts", fault_tolerance.max_attempts, Range{1, 1000});
  reader.read_time("shard_timeout", fault_tolerance.shard_timeout);
  reader.read_time("rank_timeout", fault_tolerance.rank_timeout);
  if (double seconds = 0; reader.read_time("batch_timeout", seconds)) fault_tolerance.batch_timeout = seconds;
  reader.read("on_bad_record", fault_tolerance.on_bad_record);
  reader.read("finite", fault_tolerance.finite);
  reader.read("max_restarts", fault_tolerance.max_restarts, Range{0, 1000});
  if (const Node* limit = reader.find("max_quarantined")) {
    read_limit(*limit, reader.path("max_quarantined"), context, fault_tolerance.max_quarantined);
  }
  reader.read("spares", fault_tolerance.spares, Range{0, 1000});
  reader.finish();
}

void read_part(const Node& node, const Path& path, Context& context, std::optional<Part>& part) {
  std::string text;
  if (!read_value(context, node, path, text)) return;
  part = parse_part(text);
  if (!part) report(context, node, path, "must be one part of several, as 2/3, not " + node.description());
}

void read_resources(const Node& node, const Path& path, Context& context, Resources& resources) {
  MapReader reader(node, path, context);
  reader.read_or_auto("ranks", resources.ranks, Range{1, 1 << 20});
  reader.read("threads_per_rank", resources.threads_per_rank, Range{1, 1024});
  reader.finish();
}

}  // namespace shardmill::job
