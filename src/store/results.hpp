// results.h5: valid HDF5 at every instant.
//
// It is created whole before the first shard runs: contiguous datasets allocated early, under a temporary name, synced,
// renamed. From then on its metadata never changes; ranks write rows with pwrite at the datasets' offsets. A kill at
// any moment cannot make it unreadable, and h5py can watch it grow. Layout: docs/file-formats.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "job/dtype.hpp"
#include "store/disk.hpp"

namespace shardmill::store {

enum class RecordStatus : std::uint8_t { pending = 0, done = 1, quarantined = 2 };

struct OutputLayout {
  std::string name;  // root dataset [records, shape...]
  DType dtype = DType::float32;
  std::vector<std::int64_t> shape;  // of one record

  std::size_t row_bytes() const;
};

struct ResultsLayout {
  std::int64_t records = 0;
  std::int64_t shard_size = 1;
  std::int64_t shards() const { return (records + shard_size - 1) / shard_size; }
  std::vector<OutputLayout> outputs;
  std::string job_yaml;        // resolved
  std::string model_sha256;    // hex
  std::string dataset_digest;  // hex
  std::string versions;        // of shardmill, LibTorch, MPI, HDF5
};

// A row of /shardmill/shards, as it lies in the file (packed, little-endian).
struct ShardRow {
  std::int64_t first = 0;  // record
  std::int64_t count = 0;
  std::uint64_t checksum = 0;
  std::uint32_t attempts = 0;  // 0: not done
  std::int32_t rank = 0;
  double seconds = 0;
};
static_assert(sizeof(ShardRow) == 40);

// A row of /shardmill/quarantine.
struct QuarantineRow {
  std::int64_t record = 0;
  char message[248] = {};  // UTF-8, cut to fit, zero-terminated
};
static_assert(sizeof(QuarantineRow) == 256);

// Bytes that the file will take, for `plan`.
std::uint64_t results_bytes(const ResultsLayout& layout);

// Creates the file, durably. Replaces one that is there (of a run cut off before its journal began). Throws StoreError,
// also when the disk has no room for the whole file.
void create_results(Disk& disk, const std::filesystem::path& path, const ResultsLayout& layout);
// The same by any of several runs that fill one file, on whatever nodes: the first makes it, and the others find it.
void create_shared_results(Disk& disk, const std::filesystem::path& path, const ResultsLayout& layout);

// Reads and writes rows of a file made by create_results, through the disk seam. Thread-safe if no two threads write
// the same rows. Ranks may write the same rows if they write the same bytes.
class Results {
 public:
  // Throws StoreError if the file is missing, is no results file or lacks a dataset.
  Results(Disk& disk, const std::filesystem::path& path, Open how);

  const ResultsLayout& layout() const { return layout_; }
  void write_rows(std::size_t output, std::int64_t first_record, std::int64_t count, const void* rows);
  void read_rows(std::size_t output, std::int64_t first_record, std::int64_t count, void* rows);
  void write_status(std::int64_t first_record, const std::vector<RecordStatus>& status);
  std::vector<RecordStatus> read_status(std::int64_t first_record, std::int64_t count);
  void write_shards(std::int64_t first_shard, const std::vector<ShardRow>& rows);
  ShardRow read_shard(std::int64_t shard);
  // Row `index` of the list of quarantined records; beyond its capacity only record_status tells.
  void write_quarantine(std::int64_t index, std::int64_t record, const std::string& message);
  std::vector<QuarantineRow> read_quarantine();
  void sync();

 private:
  struct Place {
    std::uint64_t offset = 0;
    std::uint64_t row_bytes = 0;
    std::int64_t rows = 0;
  };
  void write(const Place& place, std::int64_t first, std::int64_t count, const void* rows);
  void read(const Place& place, std::int64_t first, std::int64_t count, void* rows);

  std::unique_ptr<File> file_;
  ResultsLayout layout_;
  std::vector<Place> outputs_;
  Place status_;
  Place shards_;
  Place quarantine_;
  Place quarantined_;
};

// The checksum of a shard: XXH3-64 over the XXH3-64 of its rows of each output, in the outputs' order. Independent of
// how the rows were cut into writes.
class ShardHasher {
 public:
  explicit ShardHasher(std::size_t outputs);
  ~ShardHasher();
  ShardHasher(ShardHasher&&) noexcept;
  ShardHasher& operator=(ShardHasher&&) noexcept;

  void add(std::size_t output, const void* rows, std::size_t bytes);
  std::uint64_t digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Of rows that are in the file already: what a shard that goes on in its middle starts from, and what `verify`
// compares.
void hash_rows(Results& results, std::int64_t first_record, std::int64_t count, ShardHasher& hasher);
// The same, read by a function as Results::read_rows is.
using ReadRows = std::function<void(std::size_t output, std::int64_t first_record, std::int64_t count, void* rows)>;
void hash_rows(const ResultsLayout& layout, const ReadRows& read, std::int64_t first_record, std::int64_t count,
               ShardHasher& hasher);

}  // namespace shardmill::store
