#include "model/archive.hpp"

#include <algorithm>
#include <fstream>
#include <optional>

namespace shardmill::model {

namespace {

constexpr std::size_t end_record_bytes = 22;
constexpr std::size_t max_comment = 65535;
constexpr std::uint64_t max_directory = std::uint64_t{256} << 20;  // more than a million entries

std::uint64_t number(const std::string& bytes, std::size_t at, std::size_t width) {
  std::uint64_t value = 0;
  for (std::size_t i = width; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

std::string read_at(std::ifstream& file, std::uint64_t at, std::size_t count) {
  std::string bytes(count, '\0');
  file.clear();
  file.seekg(static_cast<std::streamoff>(at));
  file.read(bytes.data(), static_cast<std::streamsize>(count));
  bytes.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, file.gcount())));
  return bytes;
}

struct Directory {
  std::uint64_t at = 0;
  std::uint64_t bytes = 0;
};

// From the end-of-archive record; from its 64-bit form where the archive or a number in it is too large for 32 bits.
std::optional<Directory> find_directory(std::ifstream& file, std::uint64_t size) {
  const auto tail_bytes = static_cast<std::size_t>(std::min<std::uint64_t>(size, end_record_bytes + max_comment));
  const std::string tail = read_at(file, size - tail_bytes, tail_bytes);
  const auto end = tail.rfind(std::string("PK\5\6", 4));
  if (end == std::string::npos || tail.size() - end < end_record_bytes) return std::nullopt;
  const std::uint64_t end_at = size - tail_bytes + end;
  Directory found{number(tail, end + 16, 4), number(tail, end + 12, 4)};
  if (end >= 20 && tail.compare(end - 20, 4, std::string("PK\6\7", 4)) == 0) {
    const std::uint64_t wide_at = number(tail, end - 20 + 8, 8);
    if (wide_at >= size) return std::nullopt;
    const std::string wide = read_at(file, wide_at, 56);
    if (wide.size() < 56 || wide.compare(0, 4, std::string("PK\6\6", 4)) != 0) return std::nullopt;
    found = {number(wide, 48, 8), number(wide, 40, 8)};
  }
  if (found.bytes > max_directory || found.at > end_at || found.bytes > end_at - found.at) return std::nullopt;
  return found;
}

std::string without_folder(const std::string& name) {
  const auto slash = name.find('/');
  return slash == std::string::npos ? name : name.substr(slash + 1);
}

}  // namespace

bool Archive::has(std::string_view name) const { return std::find(names.begin(), names.end(), name) != names.end(); }

bool Archive::has_under(std::string_view folder) const {
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return name.starts_with(folder); });
}

std::vector<std::string> Archive::between(std::string_view prefix, std::string_view suffix) const {
  std::vector<std::string> found;
  for (const std::string& name : names) {
    if (!name.starts_with(prefix)) continue;
    const std::string rest = name.substr(prefix.size());
    const auto end = rest.find(suffix);
    if (end == std::string::npos || end == 0 || rest.find('/') < end) continue;
    const std::string middle = rest.substr(0, end);
    if (std::find(found.begin(), found.end(), middle) == found.end()) found.push_back(middle);
  }
  return found;
}

Archive read_archive(const std::filesystem::path& path) {
  Archive archive;
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  if (error || !file) return archive;
  archive.first_bytes = read_at(file, 0, 64);
  if (size == 0) {
    archive.state = ArchiveState::empty;
    return archive;
  }
  if (!archive.first_bytes.starts_with(std::string("PK\3\4", 4))) {
    archive.state = ArchiveState::not_zip;
    return archive;
  }
  archive.state = ArchiveState::truncated;
  const auto directory = find_directory(file, size);
  if (!directory) return archive;
  const std::string entries = read_at(file, directory->at, static_cast<std::size_t>(directory->bytes));
  std::size_t at = 0;
  while (at + 46 <= entries.size() && entries.compare(at, 4, std::string("PK\1\2", 4)) == 0) {
    const auto name_bytes = static_cast<std::size_t>(number(entries, at + 28, 2));
    if (at + 46 + name_bytes > entries.size()) return archive;
    archive.names.push_back(without_folder(entries.substr(at + 46, name_bytes)));
    at += 46 + name_bytes + static_cast<std::size_t>(number(entries, at + 30, 2) + number(entries, at + 32, 2));
  }
  if (at == entries.size() && !archive.names.empty()) archive.state = ArchiveState::whole;
  return archive;
}

}  // namespace shardmill::model
