#include "job/load.hpp"

#include <utility>

#include "job/environment.hpp"
#include "job/expand_sweep.hpp"
#include "job/load_tree.hpp"
#include "job/override.hpp"
#include "job/parse.hpp"
#include "job/paths.hpp"
#include "job/profile.hpp"
#include "job/resolved.hpp"

namespace shardmill::job {
namespace {

namespace fs = std::filesystem;

// The folders where a profile is looked for by name. The project is that of the job without its profile.
std::vector<fs::path> profile_folders(const fs::path& file, Node root, const LoadOptions& options) {
  Diagnostics reported_later;
  apply_overrides(root, options.overrides, reported_later);
  expand_environment(root, reported_later);
  std::vector<fs::path> needed;
  const Node* trial = root.find("trial");
  const Node& job = trial != nullptr && trial->is_map() ? *trial : root;
  for (const char* section : {"model", "dataset"}) {
    const Node* map = job.find(section);
    const Node* path = map != nullptr && map->is_map() ? map->find("path") : nullptr;
    if (path != nullptr && path->is_scalar()) needed.emplace_back(path->text);
  }
  const Node* fixed = root.find("project");
  const fs::path project = fixed != nullptr && fixed->is_scalar() ? fs::path(fixed->text) : find_project(file, needed);
  std::vector<fs::path> folders{project / "configs"};
  if (!options.config_dir.empty() && options.config_dir != folders[0]) folders.push_back(options.config_dir);
  return folders;
}

}  // namespace

Job load_job(const fs::path& file, const LoadOptions& options) {
  Diagnostics diagnostics;
  auto root = parse_yaml_file(file, file.string(), diagnostics);
  std::optional<Node> profile;
  if (root) include_trial(*root, file, diagnostics);
  if (root && options.profile) {
    profile = load_profile(*options.profile, profile_folders(file, *root, options), diagnostics);
  }
  // Without the whole text, whatever else could be said would be guesswork.
  if (!root || (options.profile && !profile)) diagnostics.throw_if_any();

  if (profile) merge_profile(*root, *profile);
  apply_overrides(*root, options.overrides, diagnostics);
  expand_environment(*root, diagnostics);
  include_trial(*root, file, diagnostics);  // named by an override, or with the help of the environment
  Job job = read_tree(*root, file, options.later, diagnostics);
  diagnostics.throw_if_any();
  job.resolved_yaml = to_yaml(job);
  return job;
}

}  // namespace shardmill::job
