// The job's range of records, against the records that there are.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "job/job.hpp"

namespace shardmill::dataset {

// What is wrong with the range; none if nothing is.
std::optional<std::string> range_problem(const job::RecordRange& range, std::int64_t rows);

// The job's range, or all rows. Throws DataError.
job::RecordRange apply_range(const job::Dataset& dataset, std::int64_t rows);

}  // namespace shardmill::dataset
