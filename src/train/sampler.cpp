#include "train/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "job/error.hpp"

namespace shardmill::train {
namespace {

// Epochs are the streams 0, 1, ... of the job's seed; the split must not be one of them, even if it has the same seed.
constexpr std::uint64_t split_stream = ~std::uint64_t{0};

std::string some(std::int64_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::int64_t by_share(double share, std::int64_t records) {
  if (share == 0) return 0;
  const auto selected = static_cast<std::int64_t>(std::llround(share * static_cast<double>(records)));
  if (selected == 0)
    throw DataError("of " + some(records, "record") + " the validation share " + std::to_string(share) +
                    " selects none; raise dataset.split.validation or leave it out");
  return selected;
}

}  // namespace

std::int64_t record_count(const job::Train& train, std::int64_t rows) {
  if (!train.sequence) return rows;
  return rows < 1 ? 0 : (rows - 1) / *train.sequence;
}

Sampler::Sampler(const job::Train& train, std::int64_t records, const std::vector<double>* mask)
    : seed_(train.seed),
      records_(records),
      batch_(train.global_batch_size),
      shards_(train.logical_shards),
      split_(train.split.seed, split_stream, records) {
  SHARDMILL_CHECK(batch_ > 0 && shards_ > 0, "a step without records or shards");
  SHARDMILL_CHECK(train.split.mask.has_value() == (mask != nullptr), "a split by mask needs the mask's column");
  if (records < 1)
    throw DataError(train.sequence ? "the dataset is shorter than one block of " + some(*train.sequence, "token") +
                                         " and its last target (dataset.sequence)"
                                   : "the dataset has no records to train on");
  std::int64_t validation = 0;
  if (mask != nullptr) {
    if (static_cast<std::int64_t>(mask->size()) != records)
      throw DataError("the mask '" + *train.split.mask + "' has " +
                      some(static_cast<std::int64_t>(mask->size()), "value") + ", but there are " +
                      some(records, train.sequence ? "block" : "record"));
    by_mask_.resize(mask->size());
    for (std::int64_t i = 0; i < records; ++i) by_mask_[static_cast<std::size_t>(i)] = i;
    const auto middle = std::stable_partition(
        by_mask_.begin(), by_mask_.end(), [mask](std::int64_t i) { return (*mask)[static_cast<std::size_t>(i)] != 0; });
    validation = middle - by_mask_.begin();
    if (validation == 0)
      throw DataError("the mask '" + *train.split.mask + "' is 0 everywhere: it selects no record for validation");
  } else {
    validation = by_share(train.split.validation, records);
    shuffled_split_ = validation > 0;
  }
  train_records_ = records - validation;
  if (train_records_ == 0)
    throw DataError("the split selects all " + some(records, "record") +
                    " for validation: nothing is left to train on");
  if (train.drop_last && train_records_ < batch_)
    throw DataError("the global batch of " + some(batch_, "record") + " is larger than the " +
                    some(train_records_, "record") +
                    " to train on, and smaller batches are left out; lower training.global_batch_size or set "
                    "training.drop_last to false");
  steps_per_epoch_ = train.drop_last ? train_records_ / batch_ : (train_records_ - 1) / batch_ + 1;
  SHARDMILL_CHECK(train.steps.has_value() != train.epochs.has_value(), "a job trains for epochs or for steps");
  if (train.steps) {
    total_steps_ = *train.steps;
  } else if (__builtin_mul_overflow(*train.epochs, steps_per_epoch_, &total_steps_)) {
    throw DataError(some(*train.epochs, "epoch") + " of " + some(steps_per_epoch_, "step") +
                    " are more steps than can be counted; lower training.epochs");
  }
}

std::int64_t Sampler::batch_records(std::int64_t step) const {
  return std::min(batch_, train_records_ - step % steps_per_epoch_ * batch_);
}

std::vector<std::int64_t> Sampler::shard_records(std::int64_t step, std::int64_t logical_shard) const {
  SHARDMILL_CHECK(step >= 0 && logical_shard >= 0 && logical_shard < shards_,
                  "step " + std::to_string(step) + ", shard " + std::to_string(logical_shard));
  const Permutation order(seed_, static_cast<std::uint64_t>(epoch_of(step)), train_records_);
  const std::int64_t batch_begin = step % steps_per_epoch_ * batch_;
  const std::int64_t count = batch_records(step);
  const std::int64_t first = logical_shard * count / shards_;
  const std::int64_t last = (logical_shard + 1) * count / shards_;
  std::vector<std::int64_t> records;
  records.reserve(static_cast<std::size_t>(last - first));
  for (std::int64_t i = first; i < last; ++i) records.push_back(train_record(order.at(batch_begin + i)));
  return records;
}

std::int64_t Sampler::train_record(std::int64_t i) const {
  const std::int64_t place = validation_records() + i;
  if (!by_mask_.empty()) return by_mask_[static_cast<std::size_t>(place)];
  return shuffled_split_ ? split_.at(place) : place;
}

std::int64_t Sampler::validation_record(std::int64_t i) const {
  SHARDMILL_CHECK(i >= 0 && i < validation_records(),
                  "validation record " + std::to_string(i) + " of " + std::to_string(validation_records()));
  return by_mask_.empty() ? split_.at(i) : by_mask_[static_cast<std::size_t>(i)];
}

}  // namespace shardmill::train
