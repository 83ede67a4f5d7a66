// A file of this process alone. It has no name, so nothing is left of it however the process ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

namespace shardmill::store {

class PrivateFile {
 public:
  // Empty, in $TMPDIR or else /tmp. Throws StoreError.
  PrivateFile();
  ~PrivateFile();
  PrivateFile(const PrivateFile&) = delete;
  PrivateFile& operator=(const PrivateFile&) = delete;

  // Throws StoreError if the disk is full, say.
  void write_at(std::uint64_t offset, const void* data, std::size_t size);
  // For who opens a file by its path, in this process and while the object lives.
  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_ = -1;
};

}  // namespace shardmill::store
