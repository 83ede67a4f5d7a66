// A training job's records as batches: which, in what order, augmented and transformed.
#pragma once

#include <cstdint>
#include <mutex>

#include "job/job.hpp"
#include "train/prefetcher.hpp"
#include "train/reader.hpp"
#include "train/sampler.hpp"

namespace shardmill::train {

// Thread-safe: one batch is read at a time.
class TrainingData {
 public:
  // Opens the dataset; batches are made on the device. Throws DataError.
  TrainingData(const job::Job& job, at::Device device);

  const Sampler& sampler() const { return sampler_; }
  // The records of a logical shard's part of a step, in their order.
  Batch training(BatchKey key);
  // Validation records [first, first + count).
  Batch validation(std::int64_t first, std::int64_t count);

 private:
  std::mutex mutex_;
  Reader reader_;
  Sampler sampler_;
};

}  // namespace shardmill::train
