// Journal entries as text: a word, then key=value pairs; text values are percent-encoded, so a line has no line feed.
//
//   committed shard=12 attempts=1 rank=3 checksum=00c0ffee00c0ffee seconds=0.125 bad=17:NaN%20in%20'label'
#pragma once

#include <string>
#include <string_view>

#include "coordinator/types.hpp"

namespace shardmill::coordinator {

std::string encode(const Entry& entry);
// Throws StoreError if it is not an entry of this version.
Entry decode(std::string_view line);

}  // namespace shardmill::coordinator
