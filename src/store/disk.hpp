// The seam to the disk: everything that must survive goes through here, so that tests can make the n-th call fail.
//
// All functions throw StoreError with one sentence: what was being done to which file, why it failed, what to do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace shardmill::store {

// An open file. Thread-safe: every call says its offset.
class File {
 public:
  virtual ~File() = default;
  virtual void write_at(std::uint64_t offset, const void* data, std::size_t size) = 0;  // all of it
  virtual void read_at(std::uint64_t offset, void* data, std::size_t size) = 0;         // all of it
  virtual void sync() = 0;                                                              // fdatasync
  virtual void truncate(std::uint64_t size) = 0;
  // Reserves the space now, so that a disk too small is found before the work and not after it.
  virtual void reserve(std::uint64_t size) = 0;
  virtual std::uint64_t size() = 0;
  // An exclusive lock for the life of this object; false if another process holds it.
  virtual bool try_lock() = 0;
};

enum class Open { read, write, create };  // write: must exist; create: made if missing

class Disk {
 public:
  virtual ~Disk() = default;
  virtual std::unique_ptr<File> open(const std::filesystem::path& path, Open how) = 0;
  virtual void rename(const std::filesystem::path& from, const std::filesystem::path& to) = 0;
  // Gives the file another name, unless that one is taken: of several that try, on whatever nodes, one succeeds.
  virtual bool link(const std::filesystem::path& from, const std::filesystem::path& to) = 0;
  virtual void remove(const std::filesystem::path& path) = 0;
  virtual void make_folders(const std::filesystem::path& path) = 0;
  // Makes names created or renamed in the folder durable.
  virtual void sync_folder(const std::filesystem::path& folder) = 0;
};

// The real one. Thread-safe, one for the process.
Disk& posix_disk();

// Temporary name, write, sync, rename, sync the folder: after a crash there is the old file or the new one.
void write_file(Disk& disk, const std::filesystem::path& path, std::string_view content);
// The same for several writers, on whatever nodes: the first wins, and the others leave its file as it is (false).
bool publish_file(Disk& disk, const std::filesystem::path& path, std::string_view content);
// `path` with an end that no other process uses at the time.
std::filesystem::path temporary_beside(const std::filesystem::path& path);
// The whole file.
std::string read_file(Disk& disk, const std::filesystem::path& path);

}  // namespace shardmill::store
