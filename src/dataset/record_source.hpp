// Where records come from. A record is one row: the slice at one index of axis 0 of every input.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "job/diagnostics.hpp"
#include "job/dtype.hpp"
#include "job/job.hpp"

namespace shardmill::dataset {

// One input of a record.
struct Field {
  std::string name;
  DType dtype = DType::float32;
  std::vector<std::int64_t> shape;  // of one record: without axis 0

  std::int64_t elements() const;  // of one record
  std::size_t bytes() const;      // of one record
};

// Not thread-safe; each reading thread opens its own, or one thread reads (HDF5 itself holds one global lock).
class RecordSource {
 public:
  virtual ~RecordSource() = default;
  virtual std::int64_t records() const = 0;
  virtual const std::vector<Field>& fields() const = 0;
  // Copies records [first, first + count) of a field, row-major and in native byte order, to `destination`, which has
  // room for count * fields()[field].bytes(). Throws DataError (a truncated file, a chunk whose filter fails, ...).
  virtual void read(std::size_t field, std::int64_t first, std::int64_t count, void* destination) = 0;
};

// Of all inputs of a record together.
std::size_t record_bytes(const RecordSource& source);

// Opens the job's dataset, with its record range applied: record 0 is the first of the range. Throws DataError.
std::unique_ptr<RecordSource> open_source(const job::Dataset& dataset);

// A whole dataset of the input file with one number a record (a target or mask of a metric), over the same record
// range, as doubles. Throws DataError.
std::vector<double> read_column(const job::Dataset& dataset, const std::string& name);

// Adds to `diagnostics` what the file does not fulfil: not HDF5 or truncated; an input, target or mask that it does not
// hold (listing the numeric datasets that it does); a type that is not numeric; no axis 0; lengths of axis 0 that
// differ; a range outside the records; no records at all. Places are those of the job's keys
// (job.where("dataset.inputs[0]")).
void check(const job::Job& job, job::Diagnostics& diagnostics);

}  // namespace shardmill::dataset
