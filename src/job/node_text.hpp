// A tree of YAML values as text again.
#pragma once

#include <string>

#include "job/node.hpp"

namespace shardmill::job {

// On one line: [1, 2], {type: sgd}. Reads back as an equal tree, also where ${...} is expanded once more.
std::string flow_text(const Node& node);
// The entries of a mapping, a line each where they are no mappings themselves, indented by so many spaces.
std::string block_text(const Node& map, std::size_t indent);

}  // namespace shardmill::job
