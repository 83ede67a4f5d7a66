// Our element types as LibTorch's.
#include "job/error.hpp"
#include "model/model.hpp"

namespace shardmill::model {

at::ScalarType to_scalar_type(DType dtype) {
  switch (dtype) {
    case DType::boolean:
      return at::kBool;
    case DType::uint8:
      return at::kByte;
    case DType::int8:
      return at::kChar;
    case DType::uint16:
      return at::kUInt16;
    case DType::int16:
      return at::kShort;
    case DType::uint32:
      return at::kUInt32;
    case DType::int32:
      return at::kInt;
    case DType::uint64:
      return at::kUInt64;
    case DType::int64:
      return at::kLong;
    case DType::float16:
      return at::kHalf;
    case DType::bfloat16:
      return at::kBFloat16;
    case DType::float32:
      return at::kFloat;
    case DType::float64:
      return at::kDouble;
  }
  SHARDMILL_CHECK(false, "a DType without a scalar type");
  return at::kFloat;
}

DType from_scalar_type(at::ScalarType type) {
  for (const std::string& name : dtype_names()) {
    const auto dtype = dtype_from_name(name);
    if (dtype && to_scalar_type(*dtype) == type) return *dtype;
  }
  throw ModelError(std::string("values of type ") + c10::toString(type) +
                   " cannot be stored; give the output as real numbers");
}

}  // namespace shardmill::model
