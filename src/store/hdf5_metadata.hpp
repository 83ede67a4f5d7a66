// What an HDF5 file of ours says about itself: texts, types, shapes, and where its datasets' bytes lie.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "store/hdf5_handle.hpp"

namespace shardmill::store {

// All functions throw StoreError; one that finds something else than expected says that the file is no `kind`.
class Hdf5Metadata {
 public:
  Hdf5Metadata(std::filesystem::path path, std::string kind);

  std::string text(const std::string& name);
  Hdf5Handle open(const std::string& name);
  std::vector<std::int64_t> dims(hid_t dataset);
  // Where the dataset's bytes lie in the file; it must have so many. An empty dataset has no place: 0.
  std::uint64_t offset(hid_t dataset, const std::string& name, std::uint64_t bytes);

  [[noreturn]] void refuse(const std::string& name);

 private:
  std::filesystem::path path_;
  std::string kind_;
  Hdf5Handle file_;
};

}  // namespace shardmill::store
