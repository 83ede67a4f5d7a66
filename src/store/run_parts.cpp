#include "store/run_parts.hpp"

#include <algorithm>

#include "job/error.hpp"

namespace shardmill::store {
namespace {

std::filesystem::path folder_of_parts(const RunFolder& run) { return run.path / "parts"; }

}  // namespace

RunFolder part_folder(const RunFolder& whole, const job::Part& part) {
  return {folder_of_parts(whole) / (std::to_string(part.index) + "-of-" + std::to_string(part.of))};
}

RunFolder whole_of(const RunFolder& part) { return {part.path.parent_path().parent_path()}; }

std::optional<int> parts_of(const RunFolder& run) {
  std::optional<int> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_of_parts(run), error)) {
    std::string name = entry.path().filename().string();
    const std::size_t of = name.find("-of-");
    if (of == std::string::npos) continue;
    const auto part = job::parse_part(name.replace(of, 4, "/"));
    if (!part) continue;
    if (found && *found != part->of) {
      throw StoreError(run.path.string() + " has parts of " + std::to_string(std::min(*found, part->of)) + " and of " +
                       std::to_string(std::max(*found, part->of)) + "; move those away that are a mistake");
    }
    found = part->of;
  }
  return found;
}

RunFolder join_run(Disk& disk, const std::filesystem::path& path, const std::string& resolved_yaml, int parts) {
  RunFolder run{path};
  disk.make_folders(folder_of_parts(run));
  if (publish_file(disk, run.job(), resolved_yaml)) {
    disk.sync_folder(path.parent_path());
    return run;
  }
  std::error_code error;
  const auto there = parts_of(run);
  if (!there && (std::filesystem::exists(run.journal(), error) || std::filesystem::exists(run.logs(), error))) {
    std::filesystem::remove(folder_of_parts(run), error);
    throw StoreError(path.string() + " holds a run already, and not one in parts; name another --run-dir");
  }
  if (read_file(disk, run.job()) != resolved_yaml) {
    throw StoreError(path.string() + " was begun with another job; `shardmill resume " + path.string() +
                     " --part` goes on with that one, another --run-dir begins anew");
  }
  if (there && *there != parts) {
    throw StoreError(path.string() + " is in " + std::to_string(*there) + " parts, not in " + std::to_string(parts));
  }
  return run;
}

}  // namespace shardmill::store
