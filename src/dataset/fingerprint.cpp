#include "dataset/fingerprint.hpp"

#include <algorithm>
#include <vector>

#include "dataset/input_file.hpp"
#include "dataset/record_source.hpp"
#include "dataset/sha256.hpp"
#include "job/error.hpp"

namespace shardmill::dataset {

namespace {
constexpr std::uint64_t sample_blocks = 64;
constexpr std::uint64_t block_bytes = 4096;
constexpr std::size_t read_bytes = std::size_t{1} << 20;

void add_sample(const InputFile& file, std::uint64_t bytes, Sha256& sha) {
  std::vector<unsigned char> block(block_bytes);
  // A small file is read whole; of a large one, the blocks' first bytes are spread so that the last block ends it.
  const std::uint64_t blocks = std::min(sample_blocks, (bytes + block_bytes - 1) / block_bytes);
  const std::uint64_t last = bytes > block_bytes ? bytes - block_bytes : 0;
  for (std::uint64_t i = 0; i < blocks; ++i) {
    const std::uint64_t at = bytes <= sample_blocks * block_bytes
                                 ? i * block_bytes
                                 : last / (blocks - 1) * i + last % (blocks - 1) * i / (blocks - 1);
    sha.add(block.data(), file.read_some(at, block.data(), block.size()));
  }
}
}  // namespace

Fingerprint fingerprint(const job::Dataset& dataset) {
  const auto source = open_source(dataset);
  const InputFile file(dataset.path);
  Fingerprint print;
  print.file_bytes = file.bytes();
  print.mtime_ns = file.mtime_ns();
  print.records = source->records();

  Sha256 sha;
  sha.add(static_cast<std::int64_t>(print.file_bytes));
  sha.add(print.mtime_ns);
  sha.add(print.records);
  for (const Field& field : source->fields()) {
    sha.add(field.name);
    sha.add(name_of(field.dtype));
    sha.add(static_cast<std::int64_t>(field.shape.size()));
    for (const std::int64_t extent : field.shape) sha.add(extent);
  }
  add_sample(file, print.file_bytes, sha);
  print.digest = sha.hex();
  return print;
}

std::string sample_file(const std::filesystem::path& path) {
  const InputFile file(path);
  const std::uint64_t bytes = file.bytes();
  Sha256 sha;
  sha.add(static_cast<std::int64_t>(bytes));
  add_sample(file, bytes, sha);
  return sha.hex();
}

std::string sha256_file(const std::filesystem::path& path) {
  const InputFile file(path);
  Sha256 sha;
  std::vector<unsigned char> block(read_bytes);
  std::uint64_t at = 0;
  while (const std::size_t got = file.read_some(at, block.data(), block.size())) {
    sha.add(block.data(), got);
    at += got;
  }
  return sha.hex();
}

}  // namespace shardmill::dataset
