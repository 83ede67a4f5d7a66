// What a server runs, and what its clients send.
#include <algorithm>

#include "job/sections.hpp"

namespace shardmill::job {
namespace {

constexpr std::int64_t max_extent = std::int64_t{1} << 31;
// A batch travels in one message, whose length MPI counts in an int.
constexpr std::int64_t max_batch_bytes = std::int64_t{1} << 30;

bool read_shape(Context& context, const Node& node, const Path& path, std::vector<std::int64_t>& shape) {
  if (!expect_list(context, node, path)) return false;
  bool good = true;
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    std::int64_t extent = 1;
    good &= read_value(context, node.items[i], path.item(i), extent, Range{1, max_extent});
    shape.push_back(extent);
  }
  return good;
}

// None if it is more than a batch of one record may have.
std::optional<std::int64_t> record_bytes(const ServeInput& input) {
  auto bytes = static_cast<std::int64_t>(size_of(input.dtype));
  for (const std::int64_t extent : input.shape) {
    if (extent > max_batch_bytes / bytes) return std::nullopt;
    bytes *= extent;
  }
  return bytes;
}

void read_input(const Node& node, const Path& path, Context& context, ServeInput& input) {
  MapReader reader(node, path, context);
  reader.require("name", input.name);
  reader.require("dtype", input.dtype);
  const Node* shape = reader.find("shape", Need::required);
  const bool has_shape = shape != nullptr && read_shape(context, *shape, reader.path("shape"), input.shape);
  if (const Node* transforms = reader.find("transforms"))
    input.transforms = read_transforms(*transforms, reader.path("transforms"), context);
  reader.finish();
  if (has_shape && !record_bytes(input)) {
    report(context, *shape, reader.path("shape"), "makes records of more than 1 GiB, which no request can hold");
    input.shape = {1};
  }
}

void read_inputs(const Node& node, const Path& path, Context& context, std::vector<ServeInput>& inputs) {
  if (!expect_list(context, node, path)) return;
  if (node.items.empty()) report(context, node, path, "must name at least one input of the model");
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    ServeInput input;
    read_input(node.items[i], path.item(i), context, input);
    const bool taken =
        std::any_of(inputs.begin(), inputs.end(), [&](const ServeInput& other) { return other.name == input.name; });
    if (taken && !input.name.empty())
      report(context, node.items[i], path.item(i), "has the name of another input: " + quote(input.name));
    inputs.push_back(std::move(input));
  }
}

}  // namespace

void read_served_model(MapReader& reader, ServedModel& served) {
  Context& context = reader.context();
  if (const Node* node = reader.find("model", Need::required))
    read_model(*node, reader.path("model"), context, served.model);
  if (const Node* node = reader.find("inputs", Need::required))
    read_inputs(*node, reader.path("inputs"), context, served.inputs);
  if (const Node* node = reader.find("outputs", Need::required))
    read_outputs(*node, reader.path("outputs"), context, served.outputs);
}

void read_batching(MapReader& reader, ServedModel& served) {
  reader.read("max_batch_size", served.max_batch_size, Range{1, 1 << 20});
  const Node* delay = reader.find("max_queue_delay");
  if (delay == nullptr) return;
  const bool none = delay->is_scalar() && !delay->quoted && delay->text == "0";
  if (none) served.max_queue_delay = 0;
  if (!none) read_duration(reader.context(), *delay, reader.path("max_queue_delay"), served.max_queue_delay);
}

void check_batch_bytes(const Node* key, const Path& path, const Location& place, Context& context,
                       const ServedModel& served) {
  std::int64_t bytes = 0;
  for (const ServeInput& input : served.inputs) bytes += record_bytes(input).value_or(0);
  if (bytes == 0 || served.max_batch_size <= max_batch_bytes / bytes) return;
  const std::string problem = "is " + std::to_string(served.max_batch_size) + ", but only " +
                              std::to_string(max_batch_bytes / bytes) + " records of " + std::to_string(bytes) +
                              " bytes fit into a batch of 1 GiB";
  if (key != nullptr) {
    report(context, *key, path, problem);
  } else {
    context.diagnostics.add(place, path.exact + " " + problem + "; set it");
  }
}

}  // namespace shardmill::job
