#pragma once

#include <string>

namespace shardmill::store {

// Of the library loaded, "1.10.8".
std::string hdf5_version();

}  // namespace shardmill::store
