// safetensors files: 8 bytes of header length (little-endian), a JSON header, the tensors' bytes. Read by PyTorch
// (the package safetensors), Hugging Face and others. Free of torch: tensors are bytes with a type and a shape.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "job/dtype.hpp"
#include "store/disk.hpp"

namespace shardmill::store {

struct TensorInfo {
  std::string name;
  DType dtype = DType::float32;
  std::vector<std::int64_t> shape;
  std::uint64_t offset = 0;  // in the file
  std::uint64_t size = 0;    // in bytes
};

// An open file whose header has been checked in full: every tensor's bytes are those of its type and shape, lie in the
// file, overlap no other's and leave no hole, and the file ends where the last one does.
class SafetensorsFile {
 public:
  // Throws StoreError, one sentence with the path, for whatever else is in the file.
  SafetensorsFile(Disk& disk, const std::filesystem::path& path);

  const std::vector<TensorInfo>& tensors() const { return tensors_; }  // in the order of their bytes
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  // Into info.size bytes at `to`. Throws StoreError.
  void read(const TensorInfo& info, void* to);

 private:
  std::unique_ptr<File> file_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
};

struct TensorBytes {
  std::string name;  // unique in the file, and not "__metadata__"
  DType dtype = DType::float32;
  std::vector<std::int64_t> shape;
  const void* data = nullptr;  // row-major, of the whole shape
};

// Temporary name, sync, rename, sync the folder: after a crash there is the old file or the new one. The tensors of
// wide types come first, so that each lies aligned; otherwise they keep their order. Throws StoreError.
void write_safetensors(Disk& disk, const std::filesystem::path& path, const std::vector<TensorBytes>& tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace shardmill::store
