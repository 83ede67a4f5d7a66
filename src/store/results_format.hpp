// Shared by the maker and the users of results.h5, not for other rooms.
#pragma once

#include <string>
#include <vector>

#include "store/results.hpp"

namespace shardmill::store {

// Of /shardmill/outputs: root datasets in the job's order, one a line.
std::string join_names(const std::vector<OutputLayout>& outputs);

std::int64_t quarantine_capacity(const ResultsLayout& layout);

}  // namespace shardmill::store
