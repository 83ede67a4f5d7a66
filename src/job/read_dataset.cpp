#include <algorithm>
#include <numeric>

#include "job/sections.hpp"

namespace shardmill::job {
namespace {

// A number, or a list of them.
bool read_numbers(MapReader& reader, std::string_view key, std::vector<double>& into) {
  const Node* node = reader.find(key, Need::required);
  if (node == nullptr) return false;
  const Path path = reader.path(key);
  if (!node->is_sequence()) {
    double number = 0;
    if (!read_value(reader.context(), *node, path, number)) return false;
    into = {number};
    return true;
  }
  if (node->items.empty()) {
    report(reader.context(), *node, path, "must hold at least one number");
    return false;
  }
  bool good = true;
  for (std::size_t i = 0; i < node->items.size(); ++i) {
    double number = 0;
    good &= read_value(reader.context(), node->items[i], path.item(i), number);
    into.push_back(number);
  }
  return good;
}

bool read_integers(Context& context, const Node& node, const Path& path, Range range, std::vector<std::int64_t>& into) {
  if (!expect_list(context, node, path)) return false;
  bool good = true;
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    std::int64_t number = 0;
    good &= read_value(context, node.items[i], path.item(i), number, range);
    into.push_back(number);
  }
  return good;
}

std::optional<Transform> read_normalize(Context& context, const Node& node, const Path& path) {
  MapReader reader(node, path, context);
  Normalize normalize;
  const bool has_mean = read_numbers(reader, "mean", normalize.mean);
  const bool has_std = read_numbers(reader, "std", normalize.std);
  reader.finish();
  if (has_std && std::find(normalize.std.begin(), normalize.std.end(), 0.0) != normalize.std.end()) {
    report(context, *node.find("std"), path.key("std"), "must not be 0: records are divided by it");
    return std::nullopt;
  }
  if (!has_mean || !has_std) return std::nullopt;
  if (normalize.mean.size() != normalize.std.size()) {
    report(context, node, path,
           "has " + std::to_string(normalize.mean.size()) + " values for mean and " +
               std::to_string(normalize.std.size()) + " for std; give as many of each");
    return std::nullopt;
  }
  return normalize;
}

std::optional<Transform> read_reshape(Context& context, const Node& node, const Path& path) {
  Reshape reshape;
  if (!read_integers(context, node, path, {-1, max_int64}, reshape.shape)) return std::nullopt;
  if (std::count(reshape.shape.begin(), reshape.shape.end(), -1) > 1) {
    report(context, node, path, "may hold -1 once");
    return std::nullopt;
  }
  if (std::count(reshape.shape.begin(), reshape.shape.end(), 0) > 0) {
    report(context, node, path, "must hold sizes of at least 1 (or -1 for what is left over), not 0");
    return std::nullopt;
  }
  return reshape;
}

std::optional<Transform> read_permute(Context& context, const Node& node, const Path& path) {
  Permute permute;
  if (!read_integers(context, node, path, {0, max_int64}, permute.axes)) return std::nullopt;
  std::vector<std::int64_t> sorted = permute.axes;
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::int64_t> axes(sorted.size());
  std::iota(axes.begin(), axes.end(), 0);
  if (axes.empty() || sorted != axes) {
    report(context, node, path, "must hold each axis of a record once, counted from 0, as in [2, 0, 1]");
    return std::nullopt;
  }
  return permute;
}

std::optional<Transform> read_transform(const Node& node, const Path& path, Context& context) {
  MapReader reader(node, path, context);
  std::optional<Transform> transform;
  Cast cast{};
  Scale scale{};
  if (reader.read("cast", cast.to)) transform = cast;
  if (reader.read("scale", scale.by)) transform = scale;
  if (const Node* value = reader.find("normalize")) {
    transform = read_normalize(context, *value, reader.path("normalize"));
  }
  if (const Node* value = reader.find("reshape")) transform = read_reshape(context, *value, reader.path("reshape"));
  if (const Node* value = reader.find("permute")) transform = read_permute(context, *value, reader.path("permute"));
  reader.finish();
  if ((node.is_map() && node.items.size() != 1) || node.is_null()) {
    report(context, node, path, "must be one transform, as in {cast: float32}; write one list item for each");
    return std::nullopt;
  }
  return transform;
}

void read_input(const Node& node, const Path& path, Context& context, Input& input) {
  if (node.is_scalar()) {
    read_value(context, node, path, input.name);
    return;
  }
  MapReader reader(node, path, context);
  reader.require("name", input.name);
  if (const Node* own = reader.find("transforms")) {
    input.transforms = read_transforms(*own, reader.path("transforms"), context);
  }
  reader.finish();
}

void read_range(const Node& node, const Path& path, Context& context, RecordRange& range) {
  MapReader reader(node, path, context);
  const bool has_first = reader.require("first", range.first, Range{0, max_int64});
  const bool has_last = reader.require("last", range.last, Range{1, max_int64});
  reader.finish();
  if (has_first && has_last && range.first >= range.last) {
    report(context, node, path,
           "holds no records: first is " + std::to_string(range.first) + ", last (one past the end) is " +
               std::to_string(range.last));
  }
}

}  // namespace

std::vector<Transform> read_transforms(const Node& node, const Path& path, Context& context) {
  std::vector<Transform> transforms;
  if (!expect_list(context, node, path)) return transforms;
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    if (auto transform = read_transform(node.items[i], path.item(i), context)) transforms.push_back(*transform);
  }
  return transforms;
}

void read_records(MapReader& reader, Dataset& dataset) {
  Context& context = reader.context();
  std::string file;
  if (reader.require("path", file)) dataset.path = file;
  std::vector<Transform> common;
  if (const Node* value = reader.find("transforms")) {
    common = read_transforms(*value, reader.path("transforms"), context);
  }
  const Node* inputs = reader.find("inputs", Need::required);
  const Path inputs_path = reader.path("inputs");
  if (inputs != nullptr && expect_list(context, *inputs, inputs_path)) {
    if (inputs->items.empty()) report(context, *inputs, inputs_path, "must name at least one dataset of the file");
    for (std::size_t i = 0; i < inputs->items.size(); ++i) {
      Input input{"", common};
      read_input(inputs->items[i], inputs_path.item(i), context, input);
      dataset.inputs.push_back(std::move(input));
    }
  }
  if (const Node* value = reader.find("range")) {
    read_range(*value, reader.path("range"), context, dataset.range.emplace());
  }
}

void read_dataset(const Node& node, const Path& path, Context& context, Dataset& dataset) {
  MapReader reader(node, path, context);
  read_records(reader, dataset);
  reader.finish();
}

}  // namespace shardmill::job
