#include "job/profile.hpp"

#include <algorithm>
#include <set>
#include <system_error>

#include "job/parse.hpp"
#include "job/paths.hpp"
#include "job/text.hpp"

namespace shardmill::job {
namespace {

namespace fs = std::filesystem;

bool is_path(const std::string& profile) {
  const std::string suffix = fs::path(profile).extension().string();
  return profile.find('/') != std::string::npos || suffix == ".yaml" || suffix == ".yml";
}

std::vector<std::string> profiles_in(const std::vector<fs::path>& folders) {
  std::set<std::string> names;
  for (const fs::path& folder : folders) {
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
      if (it->path().extension() == ".yaml") names.insert(it->path().stem().string());
    }
  }
  return {names.begin(), names.end()};
}

}  // namespace

std::optional<Node> load_profile(const std::string& profile, const std::vector<fs::path>& folders,
                                 Diagnostics& diagnostics) {
  if (is_path(profile)) return parse_yaml_file(profile, profile, diagnostics);
  std::vector<std::string> looked_for;
  for (const fs::path& folder : folders) {
    const fs::path file = folder / (profile + ".yaml");
    std::error_code error;
    if (!profile.empty() && fs::exists(file, error)) return parse_yaml_file(file, shown_path(file), diagnostics);
    looked_for.push_back(shown_path(file));
  }
  std::string message = "no profile " + quote(profile) + ": looked for " + join(looked_for, " and ");
  const std::vector<std::string> existing = profiles_in(folders);
  message += existing.empty() ? "; there are no profiles there" : suggest(profile, existing, "profiles");
  if (nearest(profile, existing)) message += " (profiles: " + join(existing) + ")";
  diagnostics.add({"--profile " + profile, 0, 0}, message);
  return std::nullopt;
}

}  // namespace shardmill::job
