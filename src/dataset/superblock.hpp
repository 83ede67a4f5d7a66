// What an HDF5 file says of itself in its first bytes, read without HDF5, to tell "no HDF5 file" from "cut off".
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace shardmill::dataset {

struct Superblock {
  std::uint64_t end = 0;  // where the file has to end, by its superblock; 0: unknown (a version we cannot read)
};

// None if the file has no HDF5 signature at any of the places where one may be. Throws DataError if it cannot be read.
std::optional<Superblock> read_superblock(const std::filesystem::path& path);

}  // namespace shardmill::dataset
