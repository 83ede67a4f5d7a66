// Tells whether a dataset is the one that a run began with, without reading all of it.
#pragma once

#include <cstdint>
#include <string>

#include "job/job.hpp"

namespace shardmill::dataset {

struct Fingerprint {
  std::uint64_t file_bytes = 0;
  std::int64_t mtime_ns = 0;  // of the file, since the epoch
  std::int64_t records = 0;
  std::string digest;  // SHA-256, hex: of size, mtime, inputs' names, types and shapes, and a content sample

  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
};

// The sample: up to 64 blocks of 4 KiB spread evenly over the file, its first and last included. Throws DataError.
Fingerprint fingerprint(const job::Dataset& dataset);

// SHA-256, hex, of a file's size and such a sample: equal for copies, whenever they were made. Throws DataError.
std::string sample_file(const std::filesystem::path& path);

// SHA-256 of a whole file, hex. Throws DataError.
std::string sha256_file(const std::filesystem::path& path);

}  // namespace shardmill::dataset
