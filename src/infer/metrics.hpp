// The job's metrics: outputs against datasets of the input file, after all is done.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "job/job.hpp"
#include "store/results.hpp"

namespace shardmill::infer {

// Records in quarantine do not count. NaN if no record counts. Throws DataError or StoreError.
std::vector<std::pair<std::string, double>> compute_metrics(const job::Job& job, store::Results& results);

}  // namespace shardmill::infer
