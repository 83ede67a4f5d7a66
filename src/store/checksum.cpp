#include "store/checksum.hpp"

#include <fstream>
#include <memory>
#include <vector>

#include <xxhash.h>

#include "job/error.hpp"

namespace shardmill::store {

std::uint64_t checksum(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::uint64_t file_checksum(const std::filesystem::path& file) {
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), &XXH3_freeState);
  XXH3_64bits_reset(state.get());
  std::ifstream in(file, std::ios::binary);
  std::vector<char> buffer(std::size_t{1} << 20U);
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || in.gcount() > 0)
    XXH3_64bits_update(state.get(), buffer.data(), static_cast<std::size_t>(in.gcount()));
  if (!in.eof()) throw StoreError(file.string() + " cannot be read");
  return XXH3_64bits_digest(state.get());
}

}  // namespace shardmill::store
