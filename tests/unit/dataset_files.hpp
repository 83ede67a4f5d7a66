// Makes small HDF5 files for the dataset tests, with HDF5's own C API.
#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "job/job.hpp"
#include "store/hdf5_handle.hpp"
#include "temp_folder.hpp"

namespace shardmill::dataset::test {

using shardmill::test::TempFolder;

inline store::Hdf5Handle create_file(const std::filesystem::path& path, hsize_t user_block = 0) {
  const store::Hdf5Handle creation(H5Pcreate(H5P_FILE_CREATE), H5Pclose);
  if (user_block != 0) H5Pset_userblock(creation.get(), user_block);
  return {H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.get(), H5P_DEFAULT), H5Fclose};
}

// How a dataset is created; by default contiguous.
using Creation = std::function<void(hid_t creation_list)>;

template <class T>
void write(hid_t file, const std::string& name, const std::vector<hsize_t>& shape, hid_t file_type, hid_t memory_type,
           const std::vector<T>& values, const Creation& setup = {}) {
  const store::Hdf5Handle space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), H5Sclose);
  const store::Hdf5Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(links.get(), 1);
  const store::Hdf5Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  if (setup) setup(creation.get());
  const store::Hdf5Handle dataset(
      H5Dcreate2(file, name.c_str(), file_type, space.get(), links.get(), creation.get(), H5P_DEFAULT), H5Dclose);
  if (!dataset) throw std::runtime_error("cannot create " + name + ": " + store::hdf5_error());
  if (!values.empty() && H5Dwrite(dataset.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0)
    throw std::runtime_error("cannot write " + name + ": " + store::hdf5_error());
}

inline Creation chunked(std::vector<hsize_t> chunk, int gzip = -1) {
  return [chunk, gzip](hid_t creation) {
    H5Pset_chunk(creation, static_cast<int>(chunk.size()), chunk.data());
    if (gzip >= 0) H5Pset_deflate(creation, static_cast<unsigned>(gzip));
  };
}

template <class T>
std::vector<T> counting(std::size_t count) {
  std::vector<T> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<T>(i);
  return values;
}

inline job::Dataset dataset_of(const std::filesystem::path& path, const std::vector<std::string>& inputs) {
  job::Dataset dataset;
  dataset.path = path;
  for (const std::string& name : inputs) dataset.inputs.push_back({name, {}});
  return dataset;
}

// What the call throws as DataError, or "" if it does not.
template <class Call>
std::string data_error(const Call& call) {
  try {
    call();
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

}  // namespace shardmill::dataset::test
