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
constexpr std::string_view every_section = R"(
job: infer
name: all
model: {path: m.pt}
dataset:
  path: d.h5
  inputs: [{name: x, transforms: [{normalize: {mean: 0, std: 1}}]}]
  transforms: [{normalize: {mean: 0, std: 1}}]
  range: {first: 0, last: 1}
batch_size: 1
outputs: {y: {}}
metrics: {accuracy: {output: y, target: t}}
fault_tolerance: {}
resources: {}
)";

// Names become folder names.
void check_name(const std::string& name, const Location& where, Context& context) {
  const auto allowed = [](unsigned char c) {
    return c < 0x80 && (std::isalnum(c) || c == '.' || c == '_' || c == '-');
  };
  if (!std::all_of(name.begin(), name.end(), allowed) || name[0] == '.' || name.size() > max_name) {
    context.diagnostics.add(
        where, "name must be 1 to 64 letters, digits, '.', '_' or '-', the first not a '.'; it is " + quote(name));
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
  if (const Node* node = reader.find("outputs", Need::required)) {
    read_outputs(*node, reader.path("outputs"), context, job.outputs);
  }
  if (const Node* node = reader.find("metrics")) {
    read_metrics(*node, reader.path("metrics"), context, job.outputs, job.metrics);
  }
  std::string output;
  if (reader.read("output", output)) job.output = output;
  if (const Node* node = reader.find("fault_tolerance")) {
    read_fault_tolerance(*node, reader.path("fault_tolerance"), context, job.fault_tolerance);
  }
  if (const Node* node = reader.find("resources")) {
    read_resources(*node, reader.path("resources"), context, job.resources);
  }
}

struct KindSections {
  Kind kind;
  void (*read)(MapReader& reader, Job& job);
};

constexpr std::array kinds{KindSections{Kind::infer, read_infer}};

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
  if (reader.require("name", job.name)) check_name(job.name, root.find("name")->location(), context);
  std::string project;
  if (reader.read("project", project)) job.project = project;
  for (const KindSections& sections : kinds) {
    if (sections.kind == job.kind) sections.read(reader, job);
  }
  reader.finish();
  return job;
}

}  // namespace

Job read_job(const Node& root, Diagnostics& diagnostics) {
  Context context{diagnostics};
  return read(root, context);
}

std::set<std::string> known_keys() {
  Diagnostics diagnostics;
  std::set<std::string> known;
  const auto root = parse_yaml(every_section, "known keys", diagnostics);
  SHARDMILL_CHECK(root.has_value(), "the built-in job is YAML");
  Context context{diagnostics, &known};
  read(*root, context);
  SHARDMILL_CHECK(diagnostics.empty(), "the built-in job has no errors");
  return known;
}

}  // namespace shardmill::job
