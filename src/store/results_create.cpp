// Making results.h5: the one place where its metadata is written.
#include <algorithm>
#include <array>
#include <chrono>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

#include "job/crash_point.hpp"
#include "job/error.hpp"
#include "store/hdf5_create.hpp"
#include "store/hdf5_types.hpp"
#include "store/results.hpp"
#include "store/results_format.hpp"

namespace shardmill::store {
namespace {

Hdf5Handle shard_type() {
  Hdf5Handle type(H5Tcreate(H5T_COMPOUND, sizeof(ShardRow)), H5Tclose);
  H5Tinsert(type.get(), "first", HOFFSET(ShardRow, first), H5T_STD_I64LE);
  H5Tinsert(type.get(), "count", HOFFSET(ShardRow, count), H5T_STD_I64LE);
  H5Tinsert(type.get(), "checksum", HOFFSET(ShardRow, checksum), H5T_STD_U64LE);
  H5Tinsert(type.get(), "attempts", HOFFSET(ShardRow, attempts), H5T_STD_U32LE);
  H5Tinsert(type.get(), "rank", HOFFSET(ShardRow, rank), H5T_STD_I32LE);
  H5Tinsert(type.get(), "seconds", HOFFSET(ShardRow, seconds), H5T_IEEE_F64LE);
  return type;
}

Hdf5Handle quarantine_type() {
  const Hdf5Handle text(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(text.get(), sizeof(QuarantineRow::message));
  H5Tset_cset(text.get(), H5T_CSET_UTF8);
  Hdf5Handle type(H5Tcreate(H5T_COMPOUND, sizeof(QuarantineRow)), H5Tclose);
  H5Tinsert(type.get(), "record", HOFFSET(QuarantineRow, record), H5T_STD_I64LE);
  H5Tinsert(type.get(), "message", HOFFSET(QuarantineRow, message), text.get());
  return type;
}

void write_metadata(const std::filesystem::path& path, const ResultsLayout& layout) {
  const Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  // Rows start at page borders where datasets are large; small ones stay packed.
  H5Pset_alignment(access.get(), 1 << 20, 4096);
  Hdf5Handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.get()), H5Fclose);
  check_created(static_cast<bool>(file), path, "new file");
  const auto records = static_cast<hsize_t>(layout.records);
  for (const OutputLayout& output : layout.outputs) {
    std::vector<hsize_t> dims{records};
    dims.insert(dims.end(), output.shape.begin(), output.shape.end());
    create_fixed(file.get(), output.name, file_type(output.dtype).get(), dims, path);
  }
  const Hdf5Handle group(H5Gcreate2(file.get(), "shardmill", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Gclose);
  create_text(group.get(), "job", layout.job_yaml, path);
  create_text(group.get(), "model_sha256", layout.model_sha256, path);
  create_text(group.get(), "dataset_digest", layout.dataset_digest, path);
  create_text(group.get(), "versions", layout.versions, path);
  create_text(group.get(), "outputs", join_names(layout.outputs), path);
  create_fixed(group.get(), "record_status", H5T_STD_U8LE, {records}, path);
  create_fixed(group.get(), "shards", shard_type().get(), {static_cast<hsize_t>(layout.shards())}, path);
  create_fixed(group.get(), "quarantine", quarantine_type().get(), {static_cast<hsize_t>(quarantine_capacity(layout))},
               path);
  create_fixed(group.get(), "quarantined", H5T_STD_I64LE, {1}, path);
  check_created(file.close(), path, "closing it");
}

}  // namespace

std::string join_names(const std::vector<OutputLayout>& outputs) {
  std::string names;
  for (const OutputLayout& output : outputs) names += output.name + '\n';
  return names;
}

std::int64_t quarantine_capacity(const ResultsLayout& layout) {
  return std::clamp<std::int64_t>(layout.records, 1, 4096);
}

std::size_t OutputLayout::row_bytes() const {
  std::size_t bytes = size_of(dtype);
  for (const std::int64_t extent : shape) bytes *= static_cast<std::size_t>(extent);
  return bytes;
}

std::uint64_t results_bytes(const ResultsLayout& layout) {
  std::uint64_t row = 1;
  for (const OutputLayout& output : layout.outputs) row += output.row_bytes();
  return row * static_cast<std::uint64_t>(layout.records) +
         static_cast<std::uint64_t>(layout.shards()) * sizeof(ShardRow) +
         static_cast<std::uint64_t>(quarantine_capacity(layout)) * sizeof(QuarantineRow) + layout.job_yaml.size() +
         8192;
}

namespace {

void make_at(Disk& disk, const std::filesystem::path& path, const ResultsLayout& layout) {
  // Before HDF5 writes anything: is the place writable, and is there room for the whole file?
  disk.open(path, Open::create)->reserve(results_bytes(layout));
  write_metadata(path, layout);
  crash_point("during-results");
  const auto file = disk.open(path, Open::write);
  file->reserve(file->size());  // HDF5 cut it to what it uses; take all of that for good
  file->sync();
  Results results(disk, path, Open::write);
  constexpr std::int64_t rows_at_once = 4096;
  for (std::int64_t begin = 0; begin < layout.shards(); begin += rows_at_once) {
    std::vector<ShardRow> rows;
    for (std::int64_t shard = begin; shard < std::min(begin + rows_at_once, layout.shards()); ++shard) {
      const std::int64_t first = shard * layout.shard_size;
      rows.push_back({first, std::min(layout.shard_size, layout.records - first), 0, 0, -1, 0});
    }
    results.write_shards(begin, rows);
  }
  results.sync();
}

}  // namespace

void create_shared_results(Disk& disk, const std::filesystem::path& path, const ResultsLayout& layout) {
  constexpr int most_waits = 500;
  constexpr std::chrono::milliseconds wait{20};
  quiet_hdf5();
  crash_point("before-results");
  std::error_code error;
  const auto is_there = [&] { return std::filesystem::exists(path, error); };
  if (is_there()) return;
  // The lock only spares the others the work: where it does not hold, across the nodes of some file systems, or where
  // who has it is stuck, several lay out the file, and the first to name it wins.
  const std::filesystem::path lock_path = path.string() + ".lock";
  const auto lock = disk.open(lock_path, Open::create);
  for (int waits = 0; waits < most_waits && !lock->try_lock() && !is_there(); ++waits)
    std::this_thread::sleep_for(wait);
  if (is_there()) return disk.remove(lock_path);
  const std::filesystem::path temporary = temporary_beside(path);
  disk.remove(temporary);
  try {
    make_at(disk, temporary, layout);
    disk.link(temporary, path);
  } catch (...) {
    std::filesystem::remove(temporary, error);
    throw;
  }
  disk.remove(temporary);
  disk.remove(lock_path);
  disk.sync_folder(path.parent_path());
  crash_point("after-results");
}

void create_results(Disk& disk, const std::filesystem::path& path, const ResultsLayout& layout) {
  quiet_hdf5();
  crash_point("before-results");
  const std::filesystem::path temporary = path.string() + ".tmp";
  disk.remove(temporary);
  try {
    make_at(disk, temporary, layout);
    disk.rename(temporary, path);
  } catch (...) {
    std::error_code ignored;  // the first failure is the one to tell
    std::filesystem::remove(temporary, ignored);
    throw;
  }
  disk.sync_folder(path.parent_path());
  crash_point("after-results");
}

}  // namespace shardmill::store
