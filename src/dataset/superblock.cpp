#include "dataset/superblock.hpp"

#include <array>
#include <cstring>

#include "dataset/input_file.hpp"

namespace shardmill::dataset {

namespace {

constexpr std::array<unsigned char, 8> signature = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
using Block = std::array<unsigned char, 96>;

std::uint64_t little_endian(const Block& block, std::size_t at, std::size_t width) {
  std::uint64_t value = 0;
  for (std::size_t i = width; i-- > 0;) value = value << 8 | block[at + i];
  return value;
}

// The layouts of superblocks 0 to 3, from the "HDF5 File Format Specification", II.A.
Superblock parse(const Block& block) {
  const unsigned version = block[8];
  const bool old = version <= 1;
  const std::size_t width = block[old ? 13 : 9];  // of an address
  if (version > 3 || (width != 2 && width != 4 && width != 8)) return {};
  const std::size_t addresses = old ? (version == 0 ? 24 : 28) : 12;  // base, free space or extension, end, ...
  return {little_endian(block, addresses + 2 * width, width)};
}

}  // namespace

std::optional<Superblock> read_superblock(const std::filesystem::path& path) {
  const InputFile file(path);
  // At 0, or behind a user block of 512, 1024, ... bytes.
  for (std::uint64_t at = 0; at < file.bytes(); at = at == 0 ? 512 : at * 2) {
    Block block{};
    const std::size_t got = file.read_some(at, block.data(), block.size());
    if (got >= signature.size() && std::memcmp(block.data(), signature.data(), signature.size()) == 0)
      return parse(block);
  }
  return std::nullopt;
}

}  // namespace shardmill::dataset
