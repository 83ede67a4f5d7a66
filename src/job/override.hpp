// --set a.b[0].c=value
#pragma once

#include <string>
#include <vector>

#include "job/diagnostics.hpp"
#include "job/node.hpp"

namespace shardmill::job {

// Puts each override into the tree, the later over the earlier. Mappings on the way are made where they are missing;
// list items must exist. Places in the tree, and those of diagnostics, read "--set a.b=value".
void apply_overrides(Node& root, const std::vector<std::string>& overrides, Diagnostics& diagnostics);
// One value at one key ("a.b[0].c"), in the same way; what is wrong with the way there is told with this place.
void put_value(Node& root, const std::string& key, Node value, const Place& place, Diagnostics& diagnostics);

}  // namespace shardmill::job
