#include "store/hdf5_metadata.hpp"

#include <algorithm>

#include "job/error.hpp"

namespace shardmill::store {

Hdf5Metadata::Hdf5Metadata(std::filesystem::path path, std::string kind)
    : path_(std::move(path)), kind_(std::move(kind)) {
  quiet_hdf5();
  file_ = Hdf5Handle(H5Fopen(path_.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  if (!file_) throw StoreError("cannot read " + path_.string() + " as HDF5: " + hdf5_error());
}

std::string Hdf5Metadata::text(const std::string& name) {
  const Hdf5Handle dataset = open(name);
  const Hdf5Handle type(H5Dget_type(dataset.get()), H5Tclose);
  const Hdf5Handle space(H5Dget_space(dataset.get()), H5Sclose);
  if (H5Tget_class(type.get()) != H5T_STRING || H5Tis_variable_str(type.get()) != 0 ||
      H5Sget_simple_extent_npoints(space.get()) != 1)
    refuse(name);
  std::string value(H5Tget_size(type.get()), '\0');
  if (H5Dread(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, value.data()) < 0) refuse(name);
  while (!value.empty() && value.back() == '\0') value.pop_back();
  return value;
}

Hdf5Handle Hdf5Metadata::open(const std::string& name) {
  Hdf5Handle dataset(H5Dopen2(file_.get(), name.c_str(), H5P_DEFAULT), H5Dclose);
  if (!dataset) refuse(name);
  return dataset;
}

std::vector<std::int64_t> Hdf5Metadata::dims(hid_t dataset) {
  const Hdf5Handle space(H5Dget_space(dataset), H5Sclose);
  std::vector<hsize_t> extents(static_cast<std::size_t>(std::max(H5Sget_simple_extent_ndims(space.get()), 0)));
  H5Sget_simple_extent_dims(space.get(), extents.data(), nullptr);
  return {extents.begin(), extents.end()};
}

std::uint64_t Hdf5Metadata::offset(hid_t dataset, const std::string& name, std::uint64_t bytes) {
  if (bytes == 0) return 0;
  const haddr_t offset = H5Dget_offset(dataset);
  if (offset == HADDR_UNDEF || H5Dget_storage_size(dataset) != bytes) refuse(name);
  return offset;
}

void Hdf5Metadata::refuse(const std::string& name) {
  throw StoreError(path_.string() + " is not a " + kind_ + " of this version: it lacks '" + name + "'");
}

}  // namespace shardmill::store
