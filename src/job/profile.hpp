// Finds and reads the profile that a job runs with.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "job/diagnostics.hpp"
#include "job/node.hpp"

namespace shardmill::job {

// `profile`: a path (it has a '/' or ends in .yaml or .yml), or a name to look for as NAME.yaml in `folders`.
std::optional<Node> load_profile(const std::string& profile, const std::vector<std::filesystem::path>& folders,
                                 Diagnostics& diagnostics);

}  // namespace shardmill::job
