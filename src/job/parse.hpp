// Bytes -> Node tree, within the bounds of load.hpp, whatever the bytes are.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "job/diagnostics.hpp"
#include "job/node.hpp"

namespace shardmill::job {

// Reads one YAML document. Adds a diagnostic and returns none where there is no tree to go on with. Without `lines`,
// places are the file name alone (for text from the command line).
std::optional<Node> parse_yaml(std::string_view text, const std::string& file_name, Diagnostics& diagnostics,
                               bool lines = true);

// The same from a regular file, shown to users as `shown`; its top must be a mapping.
std::optional<Node> parse_yaml_file(const std::filesystem::path& file, const std::string& shown,
                                    Diagnostics& diagnostics);

}  // namespace shardmill::job
