// The JSON header of a safetensors file.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "store/safetensors.hpp"

namespace shardmill::store {

constexpr std::uint64_t max_safetensors_header = 100'000'000;  // bytes, as the format's own reader has it

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // offsets count from the first byte behind the header
  std::map<std::string, std::string> metadata;
};

// Checks everything but the end of the file. Throws StoreError with what is wrong, without the path.
SafetensorsHeader parse_safetensors_header(const std::string& text);
// Filled up with blanks to a multiple of 8 bytes. Throws StoreError for names and metadata that are not UTF-8.
std::string safetensors_header(const SafetensorsHeader& header);

// Bytes of a tensor. Throws StoreError if that is more than can be.
std::uint64_t bytes_of(DType dtype, const std::vector<std::int64_t>& shape);

}  // namespace shardmill::store
