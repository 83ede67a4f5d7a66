// Datasets as all our files have them: contiguous, or a text. `path` is for the messages of what they throw,
// StoreError.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "store/hdf5_handle.hpp"

namespace shardmill::store {

// Throws "cannot create PATH: DOING: what HDF5 says" unless ok.
void check_created(bool ok, const std::filesystem::path& path, const std::string& doing);

// Contiguous, its space taken now and never filled, so that its place in the file is known. No dims: a scalar. Groups
// in its name are made. Throws StoreError.
Hdf5Handle create_fixed(hid_t parent, const std::string& name, hid_t type, const std::vector<hsize_t>& dims,
                        const std::filesystem::path& path);

// A scalar of UTF-8, of fixed length. Throws StoreError.
Hdf5Handle create_text(hid_t parent, const std::string& name, const std::string& text,
                       const std::filesystem::path& path);

}  // namespace shardmill::store
