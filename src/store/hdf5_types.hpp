// DType <-> HDF5 file types, little-endian, as h5py and PyTorch users expect them.
#pragma once

#include "job/dtype.hpp"
#include "store/hdf5_handle.hpp"

namespace shardmill::store {

// The type that results are stored in. float16 is IEEE half (h5py's '<f2'), boolean h5py's enum; bfloat16 has no HDF5
// counterpart: throws StoreError.
Hdf5Handle file_type(DType dtype);

// Needs a type made by file_type; throws StoreError for others.
DType dtype_of(hid_t type);

// The same for checkpoints, whose tensors keep their bytes: bfloat16 is a float type of 16 bits with 8 of exponent,
// which h5py reads as float32.
Hdf5Handle tensor_type(DType dtype);
DType tensor_dtype_of(hid_t type);

}  // namespace shardmill::store
