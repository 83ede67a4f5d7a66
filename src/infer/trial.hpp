// How fast a rank computes a job's batches, for `shardmill tune`.
#pragma once

#include <vector>

#include "job/job.hpp"

namespace shardmill::infer {

struct Trial {
  double records_per_second = 0;
  // All outputs of the first records, to compare what other settings give for them; records in the dataset's order,
  // outputs in the job's.
  std::vector<double> sample;
};

// Loads the model, reads the first batches of the job's first shard, and computes them over and over for so long, as a
// rank would: transforms, model, post-processing. Nothing is written. One thread besides those of the model. Throws
// DataError, ModelError.
Trial run_trial(const job::Job& job, double seconds);

}  // namespace shardmill::infer
