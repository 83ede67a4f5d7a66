#include "store/checkpoint_folder.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "job/crash_point.hpp"
#include "job/error.hpp"

namespace shardmill::store {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view prefix = "checkpoint-";
constexpr std::string_view suffix = ".h5";

std::optional<std::int64_t> step_of(std::string_view name) {
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  name.remove_suffix(suffix.size());
  std::int64_t step = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), step);
  if (error != std::errc() || end != name.data() + name.size() || step < 0) return std::nullopt;
  return step;
}

// Anew, by renaming, so that there is a link at every moment. None if it would lead nowhere.
void link(Disk& disk, const fs::path& folder, const std::string& name, const std::string& target) {
  std::error_code error;
  if (fs::read_symlink(folder / name, error) == target && fs::exists(folder / target, error)) return;
  if (!fs::exists(folder / target, error)) return disk.remove(folder / name);
  const fs::path temporary = folder / (name + ".tmp");
  disk.remove(temporary);
  fs::create_symlink(target, temporary, error);
  if (error) throw StoreError("cannot create the link " + temporary.string() + ": " + error.message());
  disk.rename(temporary, folder / name);
}

}  // namespace

std::string checkpoint_name(std::int64_t step) {
  char name[48];
  std::snprintf(name, sizeof name, "checkpoint-%09lld.h5", static_cast<long long>(step));
  return name;
}

std::vector<StoredCheckpoint> list_checkpoints(const fs::path& folder) {
  std::vector<StoredCheckpoint> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (const auto step = step_of(entry.path().filename().string())) found.push_back({entry.path(), *step});
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.step > b.step; });
  return found;
}

std::optional<LoadedCheckpoint> load_newest(Disk& disk, const fs::path& folder, std::vector<std::string>& remarks) {
  std::optional<LoadedCheckpoint> loaded;
  for (const StoredCheckpoint& stored : list_checkpoints(folder)) {
    try {
      loaded = LoadedCheckpoint{stored.step, CheckpointFile(disk, stored.path)};
      break;
    } catch (const CheckpointDamaged& damaged) {
      const fs::path aside = stored.path.string() + ".damaged";
      disk.rename(stored.path, aside);
      remarks.push_back(std::string(damaged.what()) + "; it is set aside as " + aside.filename().string());
    }
  }
  if (!remarks.empty()) disk.sync_folder(folder);
  return loaded;
}

void remove_leftovers(Disk& disk, const fs::path& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".tmp") disk.remove(entry.path());
  }
}

void prune_checkpoints(Disk& disk, const fs::path& folder, std::int64_t keep, const std::string& newest,
                       const std::optional<std::string>& best) {
  const auto newest_step = step_of(newest);
  SHARDMILL_CHECK(newest_step && keep >= 1, "prune what?");
  crash_point("checkpoint-before-prune");
  link(disk, folder, last_checkpoint, newest);
  if (best) link(disk, folder, best_checkpoint, *best);
  disk.sync_folder(folder);
  crash_point("checkpoint-during-prune");
  std::int64_t kept = 0;
  for (const StoredCheckpoint& stored : list_checkpoints(folder)) {
    if (stored.step > *newest_step || kept++ < keep || stored.path.filename() == best.value_or("")) continue;
    disk.remove(stored.path);
  }
}

}  // namespace shardmill::store
