// Writing a checkpoint: HDF5 makes the metadata, the tensors' bytes go through the disk seam.
#include <algorithm>

#include "job/crash_point.hpp"
#include "store/checkpoint_file.hpp"
#include "store/checkpoint_format.hpp"
#include "store/hdf5_create.hpp"
#include "store/hdf5_types.hpp"

namespace shardmill::store {
namespace {

struct Place {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  const char* data = nullptr;
};

std::uint64_t bytes_of(const CheckpointTensor& tensor) {
  std::uint64_t bytes = size_of(tensor.dtype);
  for (const std::int64_t extent : tensor.shape) {
    SHARDMILL_CHECK(extent >= 0, "a tensor of a negative extent");
    bytes *= static_cast<std::uint64_t>(extent);
  }
  return bytes;
}

// HDF5 would take "a//b" and "./a" for other names than they were given as, and the list of names has a line for each.
bool is_path(const std::string& name) {
  if (name.empty() || name.find('\n') != std::string::npos || name.find('\0') != std::string::npos) return false;
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    const std::string part = name.substr(begin, end - begin);
    if (part.empty() || part == ".") return false;
    begin = end + 1;
  }
  return !name.starts_with("shardmill/") && name != "shardmill";
}

void write_checksum(hid_t dataset, std::uint64_t checksum, const std::filesystem::path& path) {
  const Hdf5Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  const Hdf5Handle attribute(
      H5Acreate2(dataset, checkpoint_checksum, H5T_STD_U64LE, space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  check_created(attribute && H5Awrite(attribute.get(), H5T_NATIVE_UINT64, &checksum) >= 0, path, "a checksum");
}

// Everything but the tensors' bytes. The places of those that have any, in the file's order.
std::vector<Place> write_metadata(const std::filesystem::path& path, const CheckpointContent& content) {
  const Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_alignment(access.get(), 1U << 20U, 4096);  // large tensors start at page borders, small ones stay packed
  // Metadata in few places, so that HDF5 writes it, and we read it, in few calls.
  const std::size_t metadata_bytes = content.tensors.size() * 1024;
  H5Pset_meta_block_size(access.get(), std::clamp<std::size_t>(metadata_bytes, 2048, 1U << 20U));
  Hdf5Handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.get()), H5Fclose);
  check_created(static_cast<bool>(file), path, "new file");
  std::string names;
  std::vector<Place> places;
  for (const CheckpointTensor& tensor : content.tensors) {
    if (!is_path(tensor.name)) {
      throw StoreError("cannot create " + path.string() + ": a tensor cannot be named '" + tensor.name + "' there");
    }
    const std::uint64_t bytes = bytes_of(tensor);
    const std::vector<hsize_t> dims(tensor.shape.begin(), tensor.shape.end());
    const Hdf5Handle dataset = create_fixed(file.get(), tensor.name, tensor_type(tensor.dtype).get(), dims, path);
    write_checksum(dataset.get(), XXH3_64bits(tensor.data, bytes), path);
    if (bytes > 0) places.push_back({H5Dget_offset(dataset.get()), bytes, static_cast<const char*>(tensor.data)});
    names += tensor.name + '\n';
  }
  create_text(file.get(), "shardmill/format", checkpoint_format, path);
  create_text(file.get(), "shardmill/tensors", names, path);
  const Hdf5Handle meta = create_text(file.get(), "shardmill/meta", content.meta, path);
  write_checksum(meta.get(), XXH3_64bits(content.meta.data(), content.meta.size()), path);
  check_created(file.close(), path, "closing it");
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) { return a.offset < b.offset; });
  return places;
}

CheckpointInfo write_at(Disk& disk, const std::filesystem::path& path, const CheckpointContent& content) {
  std::uint64_t bytes = content.meta.size() + sizeof(CheckpointTrailer);
  for (const CheckpointTensor& tensor : content.tensors) bytes += bytes_of(tensor);
  // Before HDF5 writes anything: is the place writable, and is there room? HDF5 gives the space back, and takes it as
  // it writes.
  const auto file = disk.open(path, Open::create);
  file->reserve(bytes);
  const std::vector<Place> places = write_metadata(path, content);
  crash_point("checkpoint-during-write");
  const std::uint64_t end = file->size();
  FileHasher hasher;
  std::uint64_t at = 0;
  for (const Place& place : places) {
    SHARDMILL_CHECK(place.offset >= at && place.offset + place.bytes <= end, "tensors overlap in the file");
    hasher.add(*file, at, place.offset);
    for (std::uint64_t done = 0; done < place.bytes;) {
      // Hashed while it is in the processor's cache for being written.
      const auto piece = static_cast<std::size_t>(std::min<std::uint64_t>(checkpoint_piece, place.bytes - done));
      file->write_at(place.offset + done, place.data + done, piece);
      hasher.add(place.data + done, piece);
      done += piece;
    }
    at = place.offset + place.bytes;
  }
  hasher.add(*file, at, end);
  CheckpointTrailer trailer;
  trailer.bytes = end;
  trailer.digest = hasher.digest();
  file->write_at(end, &trailer, sizeof trailer);
  file->sync();
  return {end + sizeof trailer, hex(trailer.digest)};
}

}  // namespace

CheckpointInfo write_checkpoint(Disk& disk, const std::filesystem::path& path, const CheckpointContent& content) {
  quiet_hdf5();
  if (content.meta.find('\0') != std::string::npos) {
    throw StoreError("cannot create " + path.string() + ": its text has a zero byte");
  }
  const std::filesystem::path temporary = path.string() + ".tmp";
  disk.remove(temporary);
  CheckpointInfo info;
  try {
    info = write_at(disk, temporary, content);
    crash_point("checkpoint-before-rename");
    disk.rename(temporary, path);
  } catch (...) {
    std::error_code ignored;  // the first failure is the one to tell
    std::filesystem::remove(temporary, ignored);
    throw;
  }
  disk.sync_folder(path.parent_path());
  crash_point("checkpoint-after-rename");
  return info;
}

}  // namespace shardmill::store
