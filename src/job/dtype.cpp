#include "job/dtype.hpp"

#include <array>

namespace shardmill {
namespace {

struct Named {
  DType dtype;
  std::string_view name;
  std::size_t bytes;
};

constexpr std::array types{
    Named{DType::boolean, "bool", 1},    Named{DType::uint8, "uint8", 1},       Named{DType::int8, "int8", 1},
    Named{DType::uint16, "uint16", 2},   Named{DType::int16, "int16", 2},       Named{DType::uint32, "uint32", 4},
    Named{DType::int32, "int32", 4},     Named{DType::uint64, "uint64", 8},     Named{DType::int64, "int64", 8},
    Named{DType::float16, "float16", 2}, Named{DType::bfloat16, "bfloat16", 2}, Named{DType::float32, "float32", 4},
    Named{DType::float64, "float64", 8},
};

const Named& entry(DType dtype) { return types.at(static_cast<std::size_t>(dtype)); }

}  // namespace

std::size_t size_of(DType dtype) { return entry(dtype).bytes; }

std::string_view name_of(DType dtype) { return entry(dtype).name; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const Named& e : types) {
    if (e.name == name) return e.dtype;
  }
  return std::nullopt;
}

std::vector<std::string> dtype_names() {
  std::vector<std::string> names;
  for (const Named& e : types) names.emplace_back(e.name);
  return names;
}

}  // namespace shardmill
