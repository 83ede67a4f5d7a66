// ${VAR} and ${VAR:-default} in the values of a job.
#pragma once

#include "job/diagnostics.hpp"
#include "job/node.hpp"

namespace shardmill::job {

// Expands every scalar of the tree, quoted or not; $$ stands for one $. An unset variable without a default is
// reported. Keys are left alone.
void expand_environment(Node& root, Diagnostics& diagnostics);

}  // namespace shardmill::job
