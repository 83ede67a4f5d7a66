#include "dataset/hdf5_dataset.hpp"

#include <algorithm>
#include <utility>

#include "dataset/hdf5_file.hpp"
#include "dataset/hdf5_storage.hpp"
#include "dataset/hdf5_types.hpp"
#include "job/error.hpp"

namespace shardmill::dataset {

namespace {
constexpr std::size_t ahead_from = std::size_t{1} << 20;  // bytes in one read; smaller ones the kernel foresees itself
}

std::string Description::to_string() const {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + (shape.size() == 1 ? ",) " : ") ") + type;
}

Description describe(hid_t dataset) {
  Description described;
  const store::Hdf5Handle type(H5Dget_type(dataset), H5Tclose);
  described.dtype = dtype_of(type.get());
  described.type = describe_type(type.get());
  const store::Hdf5Handle space(H5Dget_space(dataset), H5Sclose);
  std::vector<hsize_t> extent(static_cast<std::size_t>(std::max(0, H5Sget_simple_extent_ndims(space.get()))));
  H5Sget_simple_extent_dims(space.get(), extent.data(), nullptr);
  described.shape.assign(extent.begin(), extent.end());
  return described;
}

Hdf5Dataset::Hdf5Dataset(hid_t file, const std::filesystem::path& path, const std::string& name)
    : path_(path), name_(name), dataset_(H5Dopen2(file, name.c_str(), H5P_DEFAULT), H5Dclose) {
  if (!dataset_) {
    const std::string why = store::hdf5_error();
    H5O_info_t info{};
    if (H5Oget_info_by_name(file, name.c_str(), &info, H5P_DEFAULT) >= 0 && info.type == H5O_TYPE_DATASET)
      throw DataError("cannot open " + called() + ": " + with_advice(why));
    throw DataError(path.string() + " has no dataset '" + name + "'; it has: " + list_numeric(file));
  }
  described_ = describe(dataset_.get());
  if (!described_.dtype)
    throw DataError(called() + " does not hold numbers but " + described_.type + "; it has: " + list_numeric(file));
  if (described_.shape.empty()) throw DataError(called() + " is a single value: it has no axis 0 to count records on");
  if (const auto missing = missing_filter(dataset_.get()))
    throw DataError(called() + " is compressed with " + *missing +
                    ", which this HDF5 does not have; set HDF5_PLUGIN_PATH to the folder of its plugin, or write the "
                    "dataset with gzip or without compression");

  memory_type_ = memory_type(dtype());
  row_bytes_ = size_of(dtype());
  for (const std::int64_t extent : row_shape()) row_bytes_ *= static_cast<std::size_t>(extent);
  if (const auto place = direct_place(dataset_.get(), memory_type_.get())) {
    direct_ = std::make_unique<InputFile>(place->file);
    offset_ = place->offset;
  } else if (const auto cache = chunk_cache_of(dataset_.get(), described_.shape)) {
    dataset_.reset();
    dataset_ = open_with_cache(file, name, *cache);
    if (!dataset_) throw DataError("cannot open " + called() + " again: " + store::hdf5_error());
  }
}

std::string Hdf5Dataset::called() const { return "dataset '" + name_ + "' of " + path_.string(); }

void Hdf5Dataset::read(std::int64_t first, std::int64_t count, void* destination) const {
  if (direct_)
    read_direct(first, count, destination);
  else
    read_with(memory_type_.get(), first, count, destination);
  if (dtype() == DType::boolean) {
    // Whatever byte a file holds: a bool that is neither 0 nor 1 is undefined behaviour further on.
    auto* bytes = static_cast<unsigned char*>(destination);
    for (std::size_t i = 0; i < row_bytes_ * static_cast<std::size_t>(count); ++i) bytes[i] = bytes[i] != 0;
  }
}

void Hdf5Dataset::read_as_double(std::int64_t first, std::int64_t count, double* destination) const {
  read_with(H5T_NATIVE_DOUBLE, first, count, destination);
}

void Hdf5Dataset::read_direct(std::int64_t first, std::int64_t count, void* destination) const {
  const std::size_t bytes = row_bytes_ * static_cast<std::size_t>(count);
  const std::uint64_t begin = offset_ + row_bytes_ * static_cast<std::size_t>(first);
  if (bytes >= ahead_from) {
    // The next batch most likely follows this one. Without a word the kernel reads ahead in small pieces, and nothing
    // while a batch waits for the model.
    const std::uint64_t asked = std::exchange(asked_to_, begin + 2 * bytes);
    const std::uint64_t from = asked == begin + bytes ? begin + bytes : begin;
    direct_->will_read(from, begin + 2 * bytes - from);
  }
  const std::size_t got = direct_->read_some(begin, destination, bytes);
  if (got == bytes) return;
  throw DataError(direct_->path().string() + " is truncated: it ends in record " +
                  std::to_string(first + static_cast<std::int64_t>(got / row_bytes_)) + " of dataset '" + name_ + "'");
}

void Hdf5Dataset::read_with(hid_t type, std::int64_t first, std::int64_t count, void* destination) const {
  if (count == 0 || row_bytes_ == 0) return;
  quiet_this_thread();
  std::vector<hsize_t> start(described_.shape.size(), 0);
  std::vector<hsize_t> size(described_.shape.begin(), described_.shape.end());
  start[0] = static_cast<hsize_t>(first);
  size[0] = static_cast<hsize_t>(count);
  const store::Hdf5Handle from(H5Dget_space(dataset_.get()), H5Sclose);
  const store::Hdf5Handle to(H5Screate_simple(static_cast<int>(size.size()), size.data(), nullptr), H5Sclose);
  if (H5Sselect_hyperslab(from.get(), H5S_SELECT_SET, start.data(), nullptr, size.data(), nullptr) >= 0 &&
      H5Dread(dataset_.get(), type, to.get(), from.get(), H5P_DEFAULT, destination) >= 0)
    return;
  throw DataError("cannot read records " + std::to_string(first) + " to " + std::to_string(first + count - 1) + " of " +
                  called() + ": " + store::hdf5_error());
}

}  // namespace shardmill::dataset
