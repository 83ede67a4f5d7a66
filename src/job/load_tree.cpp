#include "job/load_tree.hpp"

#include "job/expand_sweep.hpp"
#include "job/paths.hpp"
#include "job/schema.hpp"

namespace shardmill::job {
namespace {

void add_locations(const Node& node, const std::string& path, std::map<std::string, Location>& locations) {
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const Node& item = node.items[i];
    const std::string dot = path.empty() ? "" : ".";
    const std::string item_path = node.is_map() ? path + dot + item.key : path + "[" + std::to_string(i) + "]";
    locations[item_path] = item.location();
    add_locations(item, item_path, locations);
  }
}

}  // namespace

Job read_tree(const Node& root, const std::filesystem::path& file, const std::filesystem::path& later,
              Diagnostics& diagnostics) {
  Job job = read_job(root, diagnostics);
  job.locations[""] = {file.string(), 0, 0};
  add_locations(root, "", job.locations);
  // What is made of half a sweep would be wrong in ways of its own.
  if (job.kind == Kind::sweep && diagnostics.empty()) expand_trials(job, root, file, later, diagnostics);
  resolve_paths(job, file, later, diagnostics);
  return job;
}

}  // namespace shardmill::job
