// The folder of a run's checkpoints: checkpoint-000001200.h5 and others, the links best.h5 and last.h5.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "store/checkpoint_file.hpp"
#include "store/disk.hpp"

namespace shardmill::store {

constexpr char best_checkpoint[] = "best.h5";
constexpr char last_checkpoint[] = "last.h5";

// "checkpoint-000001200.h5": sorts by step up to 999,999,999.
std::string checkpoint_name(std::int64_t step);

struct StoredCheckpoint {
  std::filesystem::path path;
  std::int64_t step = 0;
};
// Newest first, unopened. None if there is no such folder.
std::vector<StoredCheckpoint> list_checkpoints(const std::filesystem::path& folder);

struct LoadedCheckpoint {
  std::int64_t step = 0;
  CheckpointFile file;
};
// The newest that checks out. One that is damaged is renamed to `<name>.damaged`, so that nothing counts on it any
// more, and a remark says so. Nothing if none is left. Throws StoreError for what is no damage: a file that may not be
// read, or that another version wrote. Only for the one process that writes into the folder.
std::optional<LoadedCheckpoint> load_newest(Disk& disk, const std::filesystem::path& folder,
                                            std::vector<std::string>& remarks);

// What a killed writer has left under temporary names. Throws StoreError.
void remove_leftovers(Disk& disk, const std::filesystem::path& folder);

// Lets last.h5 lead to `newest` and best.h5 to `best`, then deletes all others but the `keep` newest up to `newest`.
// Files of later steps than `newest` are let alone, and do not count. Throws StoreError.
void prune_checkpoints(Disk& disk, const std::filesystem::path& folder, std::int64_t keep, const std::string& newest,
                       const std::optional<std::string>& best);

}  // namespace shardmill::store
