// HDF5's element types as ours.
#pragma once

#include <optional>
#include <string>

#include "job/dtype.hpp"
#include "store/hdf5_handle.hpp"

namespace shardmill::dataset {

// The DType that holds a file's type without loss; none if that type is not one number: strings, compounds, ...
// Integers of odd widths get the next wider type; h5py's bool (an enum of FALSE and TRUE) is boolean, other enums are
// their integers.
std::optional<DType> dtype_of(hid_t type);

// The type to read a DType with, in native byte order. Booleans are read as bytes.
store::Hdf5Handle memory_type(DType dtype);

// What the type is, for messages: "uint8", "string", "compound".
std::string describe_type(hid_t type);

}  // namespace shardmill::dataset
