// A checkpoint: named tensors and a text, in an HDF5 file of which every byte is accounted for. Free of torch.
//
// Contiguous datasets, then 32 bytes behind HDF5's end of the file with the checksum of everything before them. A
// reader compares it before HDF5 sees the file. Layout: docs/file-formats.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "job/dtype.hpp"
#include "job/error.hpp"
#include "store/disk.hpp"

namespace shardmill::store {

struct CheckpointTensor {
  std::string name;  // an HDF5 path: "model/layer1.0.conv1.weight"
  DType dtype = DType::float32;
  std::vector<std::int64_t> shape;  // empty: a scalar
  const void* data = nullptr;       // row-major, of the whole shape
};

struct CheckpointContent {
  std::string meta;  // JSON, without zero bytes
  std::vector<CheckpointTensor> tensors;
};

struct CheckpointInfo {
  std::uint64_t bytes = 0;  // of the file
  std::string checksum;     // XXH3-128 of the file but its last 32 bytes, 32 hex digits
};

// Temporary name, sync, rename, sync the folder: after a crash there is the old file or the new one. The same content
// gives the same bytes. Throws StoreError, and leaves no temporary file then. Any thread.
CheckpointInfo write_checkpoint(Disk& disk, const std::filesystem::path& path, const CheckpointContent& content);

// It was a checkpoint once, or should have become one.
class CheckpointDamaged : public StoreError {
 public:
  using StoreError::StoreError;
};

class CheckpointFile {
 public:
  struct Entry {
    std::string name;
    DType dtype = DType::float32;
    std::vector<std::int64_t> shape;
    std::uint64_t offset = 0;    // in the file
    std::uint64_t size = 0;      // in bytes
    std::uint64_t checksum = 0;  // XXH3-64 of them
  };

  // Reads the whole file once and compares its checksum. Throws CheckpointDamaged, one sentence with the path, for a
  // file that is damaged, cut off or no checkpoint; StoreError if it cannot be read or is one of another version.
  CheckpointFile(Disk& disk, std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  const CheckpointInfo& info() const { return info_; }
  const std::string& meta() const { return meta_; }
  const std::vector<Entry>& tensors() const { return tensors_; }  // in the order in which they were given
  // nullptr if there is none of that name.
  const Entry* find(const std::string& name) const;
  // Into entry.size bytes at `to`, whose checksum is compared again. Throws StoreError.
  void read(const Entry& entry, void* to);

 private:
  std::filesystem::path path_;
  std::unique_ptr<File> file_;
  CheckpointInfo info_;
  std::string meta_;
  std::vector<Entry> tensors_;
};

}  // namespace shardmill::store
