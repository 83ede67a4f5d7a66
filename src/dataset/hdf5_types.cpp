#include "dataset/hdf5_types.hpp"

#include <algorithm>
#include <string_view>

#include "job/error.hpp"

namespace shardmill::dataset {

namespace {

struct FloatBits {
  std::size_t sign = 0, exponent_at = 0, exponent = 0, mantissa_at = 0, mantissa = 0;
};

std::optional<DType> integer(hid_t type) {
  const std::size_t bytes = H5Tget_size(type);
  const bool is_signed = H5Tget_sign(type) == H5T_SGN_2;
  if (bytes == 1) return is_signed ? DType::int8 : DType::uint8;
  if (bytes == 2) return is_signed ? DType::int16 : DType::uint16;
  if (bytes <= 4) return is_signed ? DType::int32 : DType::uint32;
  if (bytes <= 8) return is_signed ? DType::int64 : DType::uint64;
  return std::nullopt;
}

std::optional<DType> floating(hid_t type) {
  FloatBits bits;
  H5Tget_fields(type, &bits.sign, &bits.exponent_at, &bits.exponent, &bits.mantissa_at, &bits.mantissa);
  if (bits.exponent <= 5 && bits.mantissa <= 10) return DType::float16;
  if (bits.exponent <= 8 && bits.mantissa <= 7) return DType::bfloat16;
  if (bits.exponent <= 8 && bits.mantissa <= 23) return DType::float32;
  if (bits.exponent <= 11 && bits.mantissa <= 52) return DType::float64;
  return std::nullopt;
}

bool is_boolean(hid_t type) {
  if (H5Tget_nmembers(type) != 2 || H5Tget_size(type) != 1) return false;
  const auto value_of = [type](const char* name) {
    signed char value = -1;
    return H5Tenum_valueof(type, name, &value) < 0 ? -1 : static_cast<int>(value);
  };
  return value_of("FALSE") == 0 && value_of("TRUE") == 1;
}

// A 16-bit float of IEEE's form, which HDF5 has no name for.
store::Hdf5Handle short_float(std::size_t exponent, std::size_t bias) {
  store::Hdf5Handle type(H5Tcopy(H5T_NATIVE_FLOAT), H5Tclose);
  // In this order: fields have to lie inside the size that the type has at each moment.
  H5Tset_fields(type.get(), 15, 15 - exponent, exponent, 0, 15 - exponent);
  H5Tset_precision(type.get(), 16);
  H5Tset_size(type.get(), 2);
  H5Tset_ebias(type.get(), bias);
  return type;
}

}  // namespace

std::optional<DType> dtype_of(hid_t type) {
  switch (H5Tget_class(type)) {
    case H5T_INTEGER:
      return integer(type);
    case H5T_FLOAT:
      return floating(type);
    case H5T_ENUM: {
      if (is_boolean(type)) return DType::boolean;
      const store::Hdf5Handle base(H5Tget_super(type), H5Tclose);
      return integer(base.get());
    }
    default:
      return std::nullopt;
  }
}

store::Hdf5Handle memory_type(DType dtype) {
  const auto native = [](hid_t type) { return store::Hdf5Handle(H5Tcopy(type), H5Tclose); };
  switch (dtype) {
    case DType::boolean:
    case DType::uint8:
      return native(H5T_NATIVE_UINT8);
    case DType::int8:
      return native(H5T_NATIVE_INT8);
    case DType::uint16:
      return native(H5T_NATIVE_UINT16);
    case DType::int16:
      return native(H5T_NATIVE_INT16);
    case DType::uint32:
      return native(H5T_NATIVE_UINT32);
    case DType::int32:
      return native(H5T_NATIVE_INT32);
    case DType::uint64:
      return native(H5T_NATIVE_UINT64);
    case DType::int64:
      return native(H5T_NATIVE_INT64);
    case DType::float16:
      return short_float(5, 15);
    case DType::bfloat16:
      return short_float(8, 127);
    case DType::float32:
      return native(H5T_NATIVE_FLOAT);
    case DType::float64:
      return native(H5T_NATIVE_DOUBLE);
  }
  SHARDMILL_CHECK(false, "a DType without an HDF5 type");
  return {};
}

std::string describe_type(hid_t type) {
  if (const auto dtype = dtype_of(type)) return std::string(name_of(*dtype));
  switch (H5Tget_class(type)) {
    case H5T_INTEGER:
      return "an integer of " + std::to_string(H5Tget_size(type)) + " bytes";
    case H5T_FLOAT:
      return "a float of " + std::to_string(H5Tget_size(type)) + " bytes";
    case H5T_STRING:
      return "string";
    case H5T_COMPOUND:
      return "compound";
    case H5T_VLEN:
      return "variable-length";
    case H5T_REFERENCE:
      return "reference";
    case H5T_ARRAY:
      return "array";
    case H5T_BITFIELD:
      return "bitfield";
    case H5T_OPAQUE:
      return "opaque";
    default:
      return "unknown";
  }
}

}  // namespace shardmill::dataset
