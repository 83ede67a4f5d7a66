// One dataset of an HDF5 file, read by rows.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataset/input_file.hpp"
#include "job/dtype.hpp"
#include "store/hdf5_handle.hpp"

namespace shardmill::dataset {

struct Description {
  std::optional<DType> dtype;       // none: not numbers
  std::string type;                 // for messages
  std::vector<std::int64_t> shape;  // with axis 0; empty: a scalar

  std::string to_string() const;  // "(1797, 8, 8) uint8"
};

Description describe(hid_t dataset);

class Hdf5Dataset {
 public:
  // Throws DataError: not there (listing what is), not numbers, no axis 0, a filter that this HDF5 lacks.
  Hdf5Dataset(hid_t file, const std::filesystem::path& path, const std::string& name);

  DType dtype() const { return *described_.dtype; }
  std::int64_t rows() const { return described_.shape[0]; }
  std::vector<std::int64_t> row_shape() const { return {described_.shape.begin() + 1, described_.shape.end()}; }
  std::size_t row_bytes() const { return row_bytes_; }

  // In native byte order. Throws DataError.
  void read(std::int64_t first, std::int64_t count, void* destination) const;
  // The same rows as doubles: count times the elements of a row.
  void read_as_double(std::int64_t first, std::int64_t count, double* destination) const;
  // Whether read() goes past HDF5: the bytes lie in the file as they lie in memory.
  bool is_direct() const { return direct_ != nullptr; }

 private:
  void read_with(hid_t type, std::int64_t first, std::int64_t count, void* destination) const;
  void read_direct(std::int64_t first, std::int64_t count, void* destination) const;
  std::string called() const;  // "dataset 'images' of data/x.h5"

  std::filesystem::path path_;
  std::string name_;
  Description described_;
  std::size_t row_bytes_ = 0;
  store::Hdf5Handle dataset_;
  store::Hdf5Handle memory_type_;
  std::unique_ptr<InputFile> direct_;
  std::uint64_t offset_ = 0;            // of row 0 in direct_
  mutable std::uint64_t asked_to_ = 0;  // in direct_: where what the kernel was asked to read ends
};

}  // namespace shardmill::dataset
