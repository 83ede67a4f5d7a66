// Where a rank's model and records come from: the run's files, or over MPI (fed_supply.hpp).
#pragma once

#include <cstdint>
#include <memory>

#include "dataset/record_source.hpp"
#include "job/job.hpp"
#include "model/model.hpp"

namespace shardmill::infer {

// Any thread.
class Supply {
 public:
  virtual ~Supply() = default;
  // Throws ModelError.
  virtual std::unique_ptr<model::Model> load_model(at::Device device) = 0;
  // For one thread to read from. Throws DataError.
  virtual std::shared_ptr<dataset::RecordSource> open_source() = 0;
  // These records will be read, behind those foreseen before.
  virtual void foresee(std::int64_t /*first*/, std::int64_t /*count*/) {}
};

// `job` outlives it.
class FileSupply : public Supply {
 public:
  explicit FileSupply(const job::Job& job) : job_(job) {}
  std::unique_ptr<model::Model> load_model(at::Device device) override { return model::load_model(job_.model, device); }
  std::shared_ptr<dataset::RecordSource> open_source() override { return dataset::open_source(job_.dataset); }

 private:
  const job::Job& job_;
};

}  // namespace shardmill::infer
