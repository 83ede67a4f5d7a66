#include "dataset/hdf5_file.hpp"

#include <cerrno>

#include "dataset/hdf5_dataset.hpp"
#include "dataset/superblock.hpp"
#include "job/error.hpp"

namespace shardmill::dataset {

namespace {

store::Hdf5Handle open_with(const std::filesystem::path& path, bool locked, std::string& why) {
  const store::Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  // The user's HDF5_USE_FILE_LOCKING wins over this.
  H5Pset_file_locking(access.get(), locked ? 1 : 0, 1);
  store::Hdf5Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()), H5Fclose);
  // Here, since any call that works, closing `access` too, clears the error stack.
  if (!file) why = store::hdf5_error();
  return file;
}

std::string join(const std::vector<std::string>& parts, std::size_t limit) {
  std::string joined;
  for (std::size_t i = 0; i < parts.size() && i < limit; ++i) joined += (i == 0 ? "" : ", ") + parts[i];
  return parts.size() > limit ? joined + ", ..." : joined;
}

}  // namespace

void quiet_this_thread() {
  thread_local const bool done = H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr) >= 0;
  static_cast<void>(done);
}

std::string with_advice(const std::string& why) {
  if (why.empty()) return "HDF5 does not say why";
  if (why.find("version number") == std::string::npos) return why;
  return why + "; it was written by a later HDF5 than this one reads, write it with libver='v110' or earlier (h5py)";
}

store::Hdf5Handle open_hdf5(const std::filesystem::path& path) {
  quiet_this_thread();
  const auto superblock = read_superblock(path);
  if (!superblock) throw DataError(path.string() + " is not an HDF5 file");
  const std::uint64_t bytes = std::filesystem::file_size(path);
  if (bytes < superblock->end)
    throw DataError(path.string() + " is truncated: " + std::to_string(bytes) + " bytes of " +
                    std::to_string(superblock->end) + "; copy or download it again");

  // A shared lock keeps writers away while we read, and goes together with other readers' locks.
  std::string why;
  store::Hdf5Handle file = open_with(path, true, why);
  if (file) return file;
  if (why.find("lock") != std::string::npos) {
    if (why.find("errno = " + std::to_string(EAGAIN)) != std::string::npos)
      throw DataError(path.string() +
                      " is open for writing in another program; wait for it to close the file, or set "
                      "HDF5_USE_FILE_LOCKING=FALSE if nothing writes to it");
    // Some network file systems answer a lock with errors of their own.
    file = open_with(path, false, why);
    if (file) return file;
  }
  if (why.find("already open for write") != std::string::npos)
    throw DataError(path.string() +
                    " was not closed by the program that wrote it; if that program is gone, run: h5clear -s " +
                    path.string());
  throw DataError("cannot open " + path.string() + ": " + with_advice(why));
}

std::string list_numeric(hid_t file, std::size_t limit) {
  std::vector<std::string> found;
  auto visit = [](hid_t root, const char* name, const H5O_info_t* info, void* out) -> herr_t {
    if (info->type != H5O_TYPE_DATASET) return 0;
    const store::Hdf5Handle dataset(H5Dopen2(root, name, H5P_DEFAULT), H5Dclose);
    if (!dataset) return 0;
    const Description described = describe(dataset.get());
    if (described.dtype && !described.shape.empty())
      static_cast<std::vector<std::string>*>(out)->push_back(name + (" " + described.to_string()));
    return 0;
  };
  H5Ovisit2(file, H5_INDEX_NAME, H5_ITER_INC, visit, &found, H5O_INFO_BASIC);
  return found.empty() ? "none" : join(found, limit);
}

}  // namespace shardmill::dataset
