#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace shardmill::store {

// XXH3-64 of the bytes.
std::uint64_t checksum(std::string_view bytes);
// Of all that is in the file. Throws StoreError if it cannot be read.
std::uint64_t file_checksum(const std::filesystem::path& file);

}  // namespace shardmill::store
