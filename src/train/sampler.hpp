// Which records make up which step: a function of the job alone, so that every rank knows it for every step, and it is
// the same for any number of ranks.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "job/train.hpp"
#include "train/permutation.hpp"

namespace shardmill::train {

// How many records `rows` of the dataset make: as many, or in sequence mode the blocks of that many tokens, each of
// which needs one token more as its last target.
std::int64_t record_count(const job::Train& train, std::int64_t rows);

// Steps, epochs and logical shards count from 0. Memory is O(1) in the number of records, but for a mask. Immutable
// after its construction: any thread.
class Sampler {
 public:
  // records: as record_count gives it. mask: the column of train.split.mask, one value a record, not 0 for validation;
  // needed if and only if the job names one. Throws DataError when nothing is left to train on, when the split selects
  // all records or none, when the mask has another length, or when drop_last leaves no step.
  Sampler(const job::Train& train, std::int64_t records, const std::vector<double>* mask = nullptr);

  std::int64_t train_records() const { return train_records_; }
  std::int64_t validation_records() const { return records_ - train_records_; }
  std::int64_t steps_per_epoch() const { return steps_per_epoch_; }
  std::int64_t total_steps() const { return total_steps_; }
  std::int64_t epoch_of(std::int64_t step) const { return step / steps_per_epoch_; }

  // Records in the step's global batch: what the sum of its losses is to be divided by.
  std::int64_t batch_records(std::int64_t step) const;
  // Records [k * n / K, (k + 1) * n / K) of the step's n, which are in the order of the epoch's permutation, as indices
  // into the dataset. Empty for some shards if n < K.
  std::vector<std::int64_t> shard_records(std::int64_t step, std::int64_t logical_shard) const;
  // 0 <= i < validation_records(), as an index into the dataset.
  std::int64_t validation_record(std::int64_t i) const;

 private:
  std::int64_t train_record(std::int64_t i) const;

  std::uint64_t seed_;
  std::int64_t records_;
  std::int64_t batch_;
  std::int64_t shards_;
  std::int64_t train_records_ = 0;
  std::int64_t steps_per_epoch_ = 0;
  std::int64_t total_steps_ = 0;
  Permutation split_;  // its first validation_records() are those, unless there is a mask
  bool shuffled_split_ = false;
  std::vector<std::int64_t> by_mask_;  // validation first, then training, each in the order of the dataset
};

}  // namespace shardmill::train
