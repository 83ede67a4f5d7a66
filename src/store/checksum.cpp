#include "store/checksum.hpp"

#include <xxhash.h>

namespace shardmill::store {

std::uint64_t checksum(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

}  // namespace shardmill::store
