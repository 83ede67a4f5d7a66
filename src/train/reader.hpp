// Records of the job's dataset as batches that a model is trained or evaluated on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/core/TensorBody.h>

#include "job/job.hpp"
#include "train/rows.hpp"

namespace shardmill::train {

struct Batch {
  std::vector<at::Tensor> inputs;  // [n, ...] each, after the job's transforms
  at::Tensor target;               // [n, ...]: int64 for cross_entropy and next_token, else float32
};

// One thread at a time; any number of readers.
class Reader {
 public:
  // Reads all records into memory at once if they take up no more than memory_limit bytes; none given: an eighth of
  // what the machine has available (ranks that share it should give their part). Larger datasets are read row by row,
  // in each batch in the order of the file. Batches are on the device; transforms are applied there.
  //
  // With train.sequence the input is a stream of tokens, and record i of L = *train.sequence: inputs the tokens
  // [i * L, i * L + L), targets those that follow each, both int64.
  //
  // Throws DataError for a dataset that does not go with the job: a sequence of anything but whole numbers, targets
  // that are no whole numbers for a loss over classes, targets of another length than the inputs, nothing to augment.
  Reader(const job::Dataset& dataset, const job::Train& train, at::Device device = at::kCPU,
         std::optional<std::size_t> memory_limit = std::nullopt);

  // Records, or blocks of the sequence: what Sampler takes.
  std::int64_t records() const { return records_; }
  bool in_memory() const { return inputs_.in_memory(); }

  // The records, in this order; there may be none. With an epoch the images (inputs of two or three dimensions) are
  // augmented as (seed, epoch, record) decide, all of a record alike and before the transforms; without one they are
  // not. Throws DataError, and ModelError for a transform that does not fit.
  Batch read(const std::vector<std::int64_t>& records, std::optional<std::int64_t> epoch);

 private:
  struct Sources;
  Reader(const job::Dataset& dataset, const job::Train& train, at::Device device, Sources sources);

  Batch read_blocks(const std::vector<std::int64_t>& blocks);
  at::Tensor gather(Rows& rows, std::size_t field, const std::vector<std::int64_t>& records) const;
  at::Tensor augmented(const dataset::Field& field, const at::Tensor& images, const std::vector<std::int64_t>& records,
                       std::int64_t epoch) const;
  at::Tensor transformed(std::size_t input, const at::Tensor& batch) const;

  std::vector<job::Input> specs_;
  job::Train train_;
  at::Device device_;
  Rows inputs_;
  std::optional<Rows> targets_;
  std::int64_t records_;
};

}  // namespace shardmill::train
