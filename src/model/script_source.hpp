// The TorchScript file of a network that is trained: its weights are in the checkpoints, its program is only here.
#pragma once

#include <filesystem>
#include <string>

namespace shardmill::model {

struct ScriptSource {
  std::filesystem::path path;  // absolute
  std::string checksum;        // XXH3-64 of the file, 16 hex digits

  // As it is now. Throws ModelError if it cannot be read.
  static ScriptSource of(const std::filesystem::path& file);
};

}  // namespace shardmill::model
