// What a rank works with that does not see the run's files: all of it comes from the coordinator.
#pragma once

#include <memory>

#include "comm/messages.hpp"
#include "infer/fed_source.hpp"
#include "infer/feed_line.hpp"
#include "infer/supply.hpp"

namespace shardmill::infer {

// The job of a rank that cannot read it. Throws JobError.
job::Job job_of(const comm::Provision& provision);

// Shapes as they travel.
comm::TensorShape shape_of(const std::string& name, DType dtype, const std::vector<std::int64_t>& shape);

class FedSupply : public Supply {
 public:
  // Throws DataError: see FedSource. References outlive it.
  FedSupply(const job::Job& job, FeedLine& line, const comm::Provision& provision);

  // Fetches the model's file first, into one that is this process's alone.
  std::unique_ptr<model::Model> load_model(at::Device device) override;
  // The one that there is.
  std::shared_ptr<dataset::RecordSource> open_source() override { return source_; }
  void foresee(std::int64_t first, std::int64_t count) override { source_->foresee(first, count); }

 private:
  const job::Job& job_;
  FeedLine& line_;
  std::int64_t model_bytes_;
  std::shared_ptr<FedSource> source_;
};

}  // namespace shardmill::infer
