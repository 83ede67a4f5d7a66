#include "store/hdf5_types.hpp"

#include "job/error.hpp"

namespace shardmill::store {
namespace {

// 16 bits: sign, exponent, mantissa.
Hdf5Handle short_float(std::size_t exponent_bits, std::size_t bias) {
  const std::size_t mantissa_bits = 15 - exponent_bits;
  Hdf5Handle type(H5Tcopy(H5T_IEEE_F32LE), H5Tclose);
  if (H5Tset_fields(type.get(), 15, mantissa_bits, exponent_bits, 0, mantissa_bits) < 0 ||
      H5Tset_size(type.get(), 2) < 0 || H5Tset_ebias(type.get(), bias) < 0) {
    throw StoreError("HDF5 cannot make a float type of 16 bits: " + hdf5_error());
  }
  return type;
}

Hdf5Handle boolean_type() {
  Hdf5Handle type(H5Tenum_create(H5T_STD_I8LE), H5Tclose);
  const signed char no = 0;
  const signed char yes = 1;
  H5Tenum_insert(type.get(), "FALSE", &no);
  H5Tenum_insert(type.get(), "TRUE", &yes);
  return type;
}

}  // namespace

Hdf5Handle file_type(DType dtype) {
  auto copy = [](hid_t type) { return Hdf5Handle(H5Tcopy(type), H5Tclose); };
  switch (dtype) {
    case DType::boolean:
      return boolean_type();
    case DType::uint8:
      return copy(H5T_STD_U8LE);
    case DType::int8:
      return copy(H5T_STD_I8LE);
    case DType::uint16:
      return copy(H5T_STD_U16LE);
    case DType::int16:
      return copy(H5T_STD_I16LE);
    case DType::uint32:
      return copy(H5T_STD_U32LE);
    case DType::int32:
      return copy(H5T_STD_I32LE);
    case DType::uint64:
      return copy(H5T_STD_U64LE);
    case DType::int64:
      return copy(H5T_STD_I64LE);
    case DType::float16:
      return short_float(5, 15);
    case DType::float32:
      return copy(H5T_IEEE_F32LE);
    case DType::float64:
      return copy(H5T_IEEE_F64LE);
    case DType::bfloat16:
      break;
  }
  throw StoreError("HDF5 has no bfloat16; give the output a dtype, float32 for instance");
}

DType dtype_of(hid_t type) {
  for (const DType dtype :
       {DType::boolean, DType::uint8, DType::int8, DType::uint16, DType::int16, DType::uint32, DType::int32,
        DType::uint64, DType::int64, DType::float16, DType::float32, DType::float64}) {
    if (H5Tequal(type, file_type(dtype).get()) > 0) return dtype;
  }
  throw StoreError("a dataset has a type that this version does not write");
}

Hdf5Handle tensor_type(DType dtype) { return dtype == DType::bfloat16 ? short_float(8, 127) : file_type(dtype); }

DType tensor_dtype_of(hid_t type) {
  return H5Tequal(type, short_float(8, 127).get()) > 0 ? DType::bfloat16 : dtype_of(type);
}

}  // namespace shardmill::store
