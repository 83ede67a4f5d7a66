#include "dataset/hdf5_storage.hpp"

#include <algorithm>
#include <map>

#include "dataset/hdf5_types.hpp"

namespace shardmill::dataset {

namespace {

// Files often hold only a filter's number. From the registry of The HDF Group.
std::string filter_name(H5Z_filter_t id, const std::string& stored) {
  static const std::map<H5Z_filter_t, std::string> known = {
      {4, "szip"},           {307, "bzip2"}, {32000, "lzf"},  {32001, "blosc"}, {32004, "lz4"},
      {32008, "bitshuffle"}, {32013, "zfp"}, {32015, "zstd"}, {32017, "sz"},    {32026, "blosc2"}};
  const auto found = known.find(id);
  const std::string name = found != known.end() ? found->second : stored;
  return "filter " + (name.empty() ? "" : "'" + name + "' ") + "(" + std::to_string(id) + ")";
}

std::string file_of(hid_t dataset) {
  const store::Hdf5Handle file(H5Iget_file_id(dataset), H5Fclose);
  const ssize_t length = H5Fget_name(file.get(), nullptr, 0);
  std::string name(static_cast<std::size_t>(std::max<ssize_t>(0, length)), '\0');
  H5Fget_name(file.get(), name.data(), name.size() + 1);
  return name;
}

// HDF5 finds a chunk's slot by its number modulo the slots, and two chunks in one slot evict each other.
std::size_t next_prime(std::size_t number) {
  const auto is_prime = [](std::size_t n) {
    for (std::size_t d = 2; d * d <= n; ++d)
      if (n % d == 0) return false;
    return n > 1;
  };
  while (!is_prime(number)) ++number;
  return number;
}

}  // namespace

std::optional<std::string> missing_filter(hid_t dataset) {
  const store::Hdf5Handle creation(H5Dget_create_plist(dataset), H5Pclose);
  const int filters = std::max(0, H5Pget_nfilters(creation.get()));
  for (int i = 0; i < filters; ++i) {
    unsigned flags = 0, config = 0;
    std::size_t values = 0;
    char name[64] = "";
    const H5Z_filter_t id = H5Pget_filter2(creation.get(), static_cast<unsigned>(i), &flags, &values, nullptr,
                                           sizeof name - 1, name, &config);
    if (id >= 0 && H5Zfilter_avail(id) <= 0) return filter_name(id, name);
  }
  return std::nullopt;
}

std::optional<Place> direct_place(hid_t dataset, hid_t memory_type) {
  const store::Hdf5Handle creation(H5Dget_create_plist(dataset), H5Pclose);
  if (H5Pget_layout(creation.get()) != H5D_CONTIGUOUS || H5Pget_external_count(creation.get()) != 0)
    return std::nullopt;
  store::Hdf5Handle type(H5Dget_type(dataset), H5Tclose);
  // A boolean's bytes need no conversion, though its type is an enum of signed ones.
  const bool is_boolean = dtype_of(type.get()) == DType::boolean;
  if (!is_boolean && H5Tget_class(type.get()) == H5T_ENUM) type = {H5Tget_super(type.get()), H5Tclose};
  if (!is_boolean && H5Tequal(type.get(), memory_type) <= 0) return std::nullopt;
  const haddr_t offset = H5Dget_offset(dataset);
  if (offset == HADDR_UNDEF) return std::nullopt;  // nothing was ever written: HDF5 gives the fill value
  // Not the file that was opened, if the name led through an external link.
  const std::string file = file_of(dataset);
  if (file.empty()) return std::nullopt;
  return Place{file, offset};
}

ChunkCache chunk_cache(const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& chunk,
                       std::size_t element_bytes) {
  std::uint64_t chunk_bytes = element_bytes;
  std::uint64_t chunks = 2;
  for (std::size_t i = 0; i < chunk.size(); ++i) {
    chunk_bytes *= static_cast<std::uint64_t>(chunk[i]);
    if (i > 0) chunks *= static_cast<std::uint64_t>((shape[i] + chunk[i] - 1) / chunk[i]);
  }
  chunk_bytes = std::max<std::uint64_t>(1, chunk_bytes);
  const std::uint64_t held =
      std::clamp<std::uint64_t>(max_cache_bytes / chunk_bytes, 1, std::max<std::uint64_t>(1, chunks));
  return {next_prime(std::clamp<std::size_t>(held * 16, 521, std::size_t{1} << 20)), held * chunk_bytes};
}

std::optional<ChunkCache> chunk_cache_of(hid_t dataset, const std::vector<std::int64_t>& shape) {
  const store::Hdf5Handle creation(H5Dget_create_plist(dataset), H5Pclose);
  if (H5Pget_layout(creation.get()) != H5D_CHUNKED) return std::nullopt;
  std::vector<hsize_t> extent(shape.size());
  if (H5Pget_chunk(creation.get(), static_cast<int>(extent.size()), extent.data()) < 0) return std::nullopt;
  const store::Hdf5Handle type(H5Dget_type(dataset), H5Tclose);
  return chunk_cache(shape, {extent.begin(), extent.end()}, H5Tget_size(type.get()));
}

store::Hdf5Handle open_with_cache(hid_t file, const std::string& name, const ChunkCache& cache) {
  const store::Hdf5Handle access(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose);
  // 1: chunks that have been read to their end go first, since records are read in order.
  H5Pset_chunk_cache(access.get(), cache.slots, cache.bytes, 1.0);
  return {H5Dopen2(file, name.c_str(), access.get()), H5Dclose};
}

}  // namespace shardmill::dataset
