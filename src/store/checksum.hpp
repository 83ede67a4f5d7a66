#pragma once

#include <cstdint>
#include <string_view>

namespace shardmill::store {

// XXH3-64 of the bytes.
std::uint64_t checksum(std::string_view bytes);

}  // namespace shardmill::store
