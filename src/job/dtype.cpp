#include "job/dtype.hpp"

#include <array>

namespace shardmill {
namespace {

struct Entry {
  DType dtype;
  std::string_view name;
  std::size_t bytes;
};

constexpr std::array entries{
    Entry{DType::boolean, "bool", 1},    Entry{DType::uint8, "uint8", 1},       Entry{DType::int8, "int8", 1},
    Entry{DType::uint16, "uint16", 2},   Entry{DType::int16, "int16", 2},       Entry{DType::uint32, "uint32", 4},
    Entry{DType::int32, "int32", 4},     Entry{DType::uint64, "uint64", 8},     Entry{DType::int64, "int64", 8},
    Entry{DType::float16, "float16", 2}, Entry{DType::bfloat16, "bfloat16", 2}, Entry{DType::float32, "float32", 4},
    Entry{DType::float64, "float64", 8},
};

const Entry& entry(DType dtype) { return entries.at(static_cast<std::size_t>(dtype)); }

}  // namespace

std::size_t size_of(DType dtype) { return entry(dtype).bytes; }

std::string_view name_of(DType dtype) { return entry(dtype).name; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const Entry& e : entries) {
    if (e.name == name) return e.dtype;
  }
  return std::nullopt;
}

std::vector<std::string> dtype_names() {
  std::vector<std::string> names;
  for (const Entry& e : entries) names.emplace_back(e.name);
  return names;
}

}  // namespace shardmill
