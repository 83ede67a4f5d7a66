// What a run would do, without computing a record.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "job/job.hpp"
#include "store/results.hpp"

namespace shardmill::infer {

struct PlanReport {
  std::int64_t records = 0;
  std::int64_t shards = 0;
  std::int64_t shard_size = 0;
  std::int64_t batches = 0;
  std::uint64_t input_bytes = 0;    // of all records
  std::uint64_t results_bytes = 0;  // of results.h5
  std::uint64_t memory_bytes = 0;   // a rank: measured after one batch, and full queues added
  std::vector<store::OutputLayout> outputs;
  std::string device;
};

// Loads the model and runs one batch of zeros. Throws ModelError, DataError.
PlanReport make_plan(const job::Job& job);

}  // namespace shardmill::infer
