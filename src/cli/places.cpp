#include "cli/places.hpp"

#include <cstdlib>
#include <string>

#include <unistd.h>

#include "job/error.hpp"

namespace shardmill::cli {
namespace {

bool is_program(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0;
}

std::filesystem::path find_in_path(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::string rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const std::size_t colon = rest.find(':');
    const std::filesystem::path candidate = std::filesystem::path(rest.substr(0, colon)) / name;
    if (is_program(candidate)) return candidate;
    rest = colon == std::string::npos ? "" : rest.substr(colon + 1);
  }
  return {};
}

}  // namespace

std::filesystem::path own_program() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error);
}

std::filesystem::path rank_program() {
  const std::filesystem::path folder = own_program().parent_path();
  for (const auto& candidate : {folder / "shardmill-rank", folder.parent_path() / "libexec/shardmill/shardmill-rank"}) {
    if (is_program(candidate)) return candidate;
  }
  throw UsageError("shardmill-rank is not where it should be, beside " + own_program().string() +
                   "; build or install all of shardmill");
}

std::filesystem::path share_dir() {
  const std::filesystem::path installed = own_program().parent_path().parent_path() / "share/shardmill";
  std::error_code error;
  return std::filesystem::is_directory(installed, error) ? installed : std::filesystem::path(SHARDMILL_SOURCE_DIR);
}

std::filesystem::path config_dir() { return share_dir() / "configs"; }

std::filesystem::path mpirun() {
  if (const char* chosen = std::getenv("SHARDMILL_MPIRUN"); chosen != nullptr && *chosen != '\0') {
    if (is_program(chosen)) return chosen;
    throw UsageError("SHARDMILL_MPIRUN names " + std::string(chosen) + ", which is no program");
  }
  if (is_program(SHARDMILL_MPIEXEC)) return SHARDMILL_MPIEXEC;
  const std::filesystem::path found = find_in_path("mpirun");
  if (!found.empty()) return found;
  throw UsageError("there is no mpirun: load your site's MPI module, or set SHARDMILL_MPIRUN to it");
}

}  // namespace shardmill::cli
