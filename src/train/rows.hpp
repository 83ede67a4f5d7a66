// Rows of a record source in any order: out of memory where they fit, else from the file in the order that it has them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "dataset/record_source.hpp"

namespace shardmill::train {

// Of all fields together.
std::size_t bytes_of(const dataset::RecordSource& source);

// MemAvailable of /proc/meminfo, at this moment; 0 if it cannot be read.
std::size_t available_memory();

// One thread at a time.
class Rows {
 public:
  // in_memory: reads everything now. Throws DataError.
  Rows(std::unique_ptr<dataset::RecordSource> source, bool in_memory);

  std::int64_t records() const { return records_; }
  const std::vector<dataset::Field>& fields() const { return fields_; }
  bool in_memory() const { return source_ == nullptr; }

  // Copies for each of `starts` the records [start, start + length) of a field to `destination`, one after another as
  // `starts` has them. From a file they are read in ascending order, and what touches or overlaps in one piece. Throws
  // DataError.
  void gather(std::size_t field, const std::vector<std::int64_t>& starts, std::int64_t length, void* destination);

 private:
  void gather_from_file(std::size_t field, const std::vector<std::int64_t>& starts, std::int64_t length,
                        char* destination);

  std::vector<dataset::Field> fields_;
  std::int64_t records_;
  std::unique_ptr<dataset::RecordSource> source_;  // none: all is in memory_
  std::vector<std::unique_ptr<char[]>> memory_;    // of each field
  std::vector<char> run_;
};

}  // namespace shardmill::train
