// What a target or a mask has to be.
#pragma once

#include <optional>
#include <string>

#include "dataset/hdf5_dataset.hpp"

namespace shardmill::dataset {

// What keeps the dataset from being one number a record, as the end of a sentence; none if nothing does.
std::optional<std::string> column_problem(const Hdf5Dataset& dataset);

}  // namespace shardmill::dataset
