// What writer and reader of a checkpoint share.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <xxhash.h>

#include "store/disk.hpp"

namespace shardmill::store {

constexpr char checkpoint_format[] = "shardmill checkpoint 1";
constexpr char checkpoint_checksum[] = "xxh3_64";  // the attribute of every tensor, and of the meta text
constexpr std::size_t checkpoint_piece = 1U << 20U;

// The file's last bytes.
struct CheckpointTrailer {
  std::array<char, 8> magic{'S', 'H', 'M', 'L', 'C', 'K', 'P', '1'};
  std::uint64_t bytes = 0;                 // before the trailer
  std::array<unsigned char, 16> digest{};  // XXH3-128 of them, in the canonical (big-endian) order
};
static_assert(sizeof(CheckpointTrailer) == 32);

// XXH3-128 of a file's bytes, which come piece by piece.
class FileHasher {
 public:
  FileHasher() : state_(XXH3_createState()) { XXH3_128bits_reset(state_.get()); }
  void add(const void* data, std::size_t size) { XXH3_128bits_update(state_.get(), data, size); }
  // Bytes [from, to) of the file. Throws StoreError.
  void add(File& file, std::uint64_t from, std::uint64_t to) {
    std::vector<char> piece;
    for (; from < to; from += piece.size()) {
      piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(checkpoint_piece, to - from)));
      file.read_at(from, piece.data(), piece.size());
      add(piece.data(), piece.size());
    }
  }
  std::array<unsigned char, 16> digest() const {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_.get()));
    std::array<unsigned char, 16> bytes{};
    std::memcpy(bytes.data(), canonical.digest, bytes.size());
    return bytes;
  }

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_;
};

inline std::string hex(const std::array<unsigned char, 16>& bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) {
    text += digits[byte >> 4U];
    text += digits[byte & 15U];
  }
  return text;
}

}  // namespace shardmill::store
