#include "train/data.hpp"

#include "dataset/record_source.hpp"

namespace shardmill::train {
namespace {

Sampler make_sampler(const job::Job& job, std::int64_t records) {
  if (!job.train.split.mask) return Sampler(job.train, records);
  const std::vector<double> mask = dataset::read_column(job.dataset, *job.train.split.mask);
  return Sampler(job.train, records, &mask);
}

}  // namespace

TrainingData::TrainingData(const job::Job& job, at::Device device)
    : reader_(job.dataset, job.train, device), sampler_(make_sampler(job, reader_.records())) {}

Batch TrainingData::training(BatchKey key) {
  const std::lock_guard lock(mutex_);
  return reader_.read(sampler_.shard_records(key.step, key.shard), sampler_.epoch_of(key.step));
}

Batch TrainingData::validation(std::int64_t first, std::int64_t count) {
  std::vector<std::int64_t> records;
  for (std::int64_t i = first; i < first + count; ++i) records.push_back(sampler_.validation_record(i));
  const std::lock_guard lock(mutex_);
  return reader_.read(records, std::nullopt);
}

}  // namespace shardmill::train
