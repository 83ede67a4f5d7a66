// Reading a checkpoint. HDF5 is shown nothing that was not written so: it was not made for damaged files.
#include <algorithm>

#include "store/checkpoint_file.hpp"
#include "store/checkpoint_format.hpp"
#include "store/hdf5_metadata.hpp"
#include "store/hdf5_types.hpp"

namespace shardmill::store {
namespace {

// Throws CheckpointDamaged unless the file is whole.
CheckpointInfo verify(File& file, const std::filesystem::path& path) {
  const std::uint64_t size = file.size();
  std::string head(std::min<std::uint64_t>(size, 8), '\0');
  file.read_at(0, head.data(), head.size());
  if (size == 0) throw CheckpointDamaged(path.string() + " is empty, not a checkpoint");
  if (head != "\x89HDF\r\n\x1a\n") throw CheckpointDamaged(path.string() + " is not a checkpoint: it is no HDF5 file");
  CheckpointTrailer trailer;
  if (size > sizeof trailer) file.read_at(size - sizeof trailer, &trailer, sizeof trailer);
  if (trailer.magic != CheckpointTrailer().magic || trailer.bytes != size - sizeof trailer) {
    throw CheckpointDamaged(
        path.string() +
        " is not a whole checkpoint: its end, with the checksum, is missing; it has been cut off, damaged "
        "or changed, or is another HDF5 file");
  }
  FileHasher hasher;
  hasher.add(file, 0, trailer.bytes);
  if (hasher.digest() != trailer.digest) {
    throw CheckpointDamaged("the checkpoint " + path.string() + " is damaged: its bytes do not give the checksum " +
                            hex(trailer.digest) + " that it ends with");
  }
  return {size, hex(trailer.digest)};
}

std::uint64_t read_checksum(hid_t dataset, Hdf5Metadata& metadata, const std::string& name) {
  const Hdf5Handle attribute(H5Aopen(dataset, checkpoint_checksum, H5P_DEFAULT), H5Aclose);
  std::uint64_t checksum = 0;
  if (!attribute || H5Aread(attribute.get(), H5T_NATIVE_UINT64, &checksum) < 0) metadata.refuse(name);
  return checksum;
}

}  // namespace

CheckpointFile::CheckpointFile(Disk& disk, std::filesystem::path path)
    : path_(std::move(path)), file_(disk.open(path_, Open::read)), info_(verify(*file_, path_)) {
  Hdf5Metadata metadata(path_, "checkpoint");
  const std::string format = metadata.text("shardmill/format");
  if (format != checkpoint_format) {
    throw StoreError(path_.string() + " is a '" + format + "', and this version reads '" + checkpoint_format +
                     "': use the shardmill that wrote it");
  }
  meta_ = metadata.text("shardmill/meta");
  std::string names = metadata.text("shardmill/tensors");
  for (std::size_t begin = 0; begin < names.size();) {
    const std::size_t end = std::min(names.find('\n', begin), names.size());
    Entry entry;
    entry.name = names.substr(begin, end - begin);
    begin = end + 1;
    const Hdf5Handle dataset = metadata.open(entry.name);
    entry.dtype = tensor_dtype_of(Hdf5Handle(H5Dget_type(dataset.get()), H5Tclose).get());
    entry.shape = metadata.dims(dataset.get());
    entry.size = size_of(entry.dtype);
    for (const std::int64_t extent : entry.shape) entry.size *= static_cast<std::uint64_t>(extent);
    entry.offset = metadata.offset(dataset.get(), entry.name, entry.size);
    entry.checksum = read_checksum(dataset.get(), metadata, entry.name);
    tensors_.push_back(std::move(entry));
  }
}

const CheckpointFile::Entry* CheckpointFile::find(const std::string& name) const {
  const auto found = std::find_if(tensors_.begin(), tensors_.end(), [&](const Entry& e) { return e.name == name; });
  return found == tensors_.end() ? nullptr : &*found;
}

void CheckpointFile::read(const Entry& entry, void* to) {
  file_->read_at(entry.offset, to, entry.size);
  if (XXH3_64bits(to, entry.size) != entry.checksum) {
    throw CheckpointDamaged("the checkpoint " + path_.string() + " is damaged: tensor '" + entry.name +
                            "' does not have its checksum");
  }
}

}  // namespace shardmill::store
