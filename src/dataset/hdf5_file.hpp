// Opening an HDF5 file to read, with a sentence for each way in which that fails, and finding out what it holds.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "store/hdf5_handle.hpp"

namespace shardmill::dataset {

// HDF5 keeps its error stack, and whether it prints it, for each thread: call before HDF5 in any function that a new
// thread may enter.
void quiet_this_thread();

// Throws DataError: missing, not HDF5, truncated, being written by another program, ...
store::Hdf5Handle open_hdf5(const std::filesystem::path& path);

// What HDF5 says, and what to do about it where we know.
std::string with_advice(const std::string& why);

// The datasets with records of numbers, as "images (1797, 8, 8) uint8", in order of name; at most `limit`, then "...".
std::string list_numeric(hid_t file, std::size_t limit = 12);

}  // namespace shardmill::dataset
