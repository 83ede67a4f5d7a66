// What `inspect` says about a checkpoint.
#pragma once

#include <string>

#include "store/checkpoint_file.hpp"

namespace shardmill::cli {

std::string checkpoint_table(const store::CheckpointFile& file);
std::string checkpoint_json(const store::CheckpointFile& file);

}  // namespace shardmill::cli
