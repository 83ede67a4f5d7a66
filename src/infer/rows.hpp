// Where a rank's rows go: into the results file, or over MPI to the rank that has it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "comm/messages.hpp"
#include "store/results.hpp"

namespace shardmill::infer {

// One thread, but for layout(). Rows count from the first record of the dataset.
class Rows {
 public:
  virtual ~Rows() = default;
  virtual const store::ResultsLayout& layout() const = 0;
  // Of a shard that this rank holds: rows of one who does not hold it any more may be dropped. Throws StoreError.
  virtual void write(const comm::Lease& lease, std::size_t output, std::int64_t first, std::int64_t count,
                     const void* rows) = 0;
  // Also those that were written and not synced. Throws StoreError.
  virtual void read(std::size_t output, std::int64_t first, std::int64_t count, void* rows) = 0;
  // What was written is durable. Throws StoreError.
  virtual void sync() = 0;
};

// Throws StoreError.
std::unique_ptr<Rows> open_rows(const std::filesystem::path& results);

}  // namespace shardmill::infer
