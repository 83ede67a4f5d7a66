// How a dataset lies in its file, and what follows for reading it fast.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "store/hdf5_handle.hpp"

namespace shardmill::dataset {

// "filter 'lzf' (32000)" if a filter that the dataset was written with is not to be had.
std::optional<std::string> missing_filter(hid_t dataset);

struct Place {
  std::filesystem::path file;
  std::uint64_t offset;  // of the first element
};

// Where the elements lie one after the other, of exactly `memory_type`; none if they do not.
std::optional<Place> direct_place(hid_t dataset, hid_t memory_type);

// What a chunk cache needs to hold, so that records read in order have each chunk decompressed once: the chunks of two
// rows of chunks (a batch can touch two), at most `max_cache_bytes`, but never less than one chunk, which HDF5 holds in
// memory anyway while it decompresses it.
inline constexpr std::uint64_t max_cache_bytes = std::uint64_t{256} << 20;
struct ChunkCache {
  std::size_t slots;
  std::size_t bytes;
};
ChunkCache chunk_cache(const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& chunk,
                       std::size_t element_bytes);

// The chunk cache for a dataset; none if it is not chunked.
std::optional<ChunkCache> chunk_cache_of(hid_t dataset, const std::vector<std::int64_t>& shape);

// The dataset may not be open in this file at the time: its first opening decides on its cache.
store::Hdf5Handle open_with_cache(hid_t file, const std::string& name, const ChunkCache& cache);

}  // namespace shardmill::dataset
