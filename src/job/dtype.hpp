// Element types of records and results, named as PyTorch names them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shardmill {

enum class DType {
  boolean,
  uint8,
  int8,
  uint16,
  int16,
  uint32,
  int32,
  uint64,
  int64,
  float16,
  bfloat16,
  float32,
  float64,
};

// Bytes of one element.
std::size_t size_of(DType dtype);
std::string_view name_of(DType dtype);
std::optional<DType> dtype_from_name(std::string_view name);
std::vector<std::string> dtype_names();

}  // namespace shardmill
