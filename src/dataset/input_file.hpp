// A file that is only read, by offset: what HDF5 is not needed for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

namespace shardmill::dataset {

// Reads at given offsets keep no position, so threads may share one.
class InputFile {
 public:
  explicit InputFile(const std::filesystem::path& path);  // throws DataError
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  std::uint64_t bytes() const;    // now; throws DataError
  std::int64_t mtime_ns() const;  // throws DataError
  // Reads up to `count` bytes at `offset`; fewer only at the end of the file. Throws DataError if reading fails.
  std::size_t read_some(std::uint64_t offset, void* destination, std::size_t count) const;
  // Asks the kernel to begin reading, and returns. A hint: nothing fails.
  void will_read(std::uint64_t offset, std::size_t count) const;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  int fd_ = -1;
};

}  // namespace shardmill::dataset
