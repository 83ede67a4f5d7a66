// The names in a zip archive, which every model file of PyTorch's is; without LibTorch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace shardmill::model {

enum class ArchiveState { whole, empty, not_zip, truncated, unreadable };

struct Archive {
  ArchiveState state = ArchiveState::unreadable;
  std::string first_bytes;         // up to 64, to tell what the file is instead
  std::vector<std::string> names;  // with the archive's own folder cut off: "data.pkl", "models/model.json"

  bool has(std::string_view name) const;
  bool has_under(std::string_view folder) const;  // "code/"
  // The different <x> of names "prefix<x>suffix", where <x> has no '/'.
  std::vector<std::string> between(std::string_view prefix, std::string_view suffix) const;
};

// Reads the end of the file and the list of entries, not what is in them. Never throws for what the file holds.
Archive read_archive(const std::filesystem::path& path);

}  // namespace shardmill::model
