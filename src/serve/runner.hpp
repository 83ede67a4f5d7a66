// A rank's model: a batch of records in, outputs out. Bad records are found here.
#pragma once

#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "comm/messages.hpp"
#include "job/job.hpp"
#include "model/model.hpp"

namespace shardmill::serve {

// One thread.
class Runner {
 public:
  // Both outlive it. finite: a record with a NaN or Inf in an output is bad.
  Runner(const job::ServedModel& served, bool finite, model::Model& model)
      : served_(served), finite_(finite), model_(model) {}

  // Runs a batch of zeros and a record of zeros, and from then on knows the outputs. Throws ModelError if the model
  // does not take the job's inputs, or if an output depends on the number of records.
  std::vector<comm::TensorShape> probe();

  // A batch that throws is split in halves down to the record; a record that throws by itself, or whose output is not
  // finite where the job says `finite: true`, is in `bad`.
  comm::Answered run(const comm::Forward& forward);

 private:
  std::vector<at::Tensor> forward(const std::vector<at::Tensor>& inputs);
  void check_shapes(const std::vector<at::Tensor>& outputs) const;
  void run_rows(const std::vector<at::Tensor>& inputs, std::int64_t first, std::int64_t count,
                std::vector<at::Tensor>& into, std::vector<comm::BadRecord>& bad);
  void find_not_finite(const std::vector<at::Tensor>& outputs, std::vector<comm::BadRecord>& bad) const;

  const job::ServedModel& served_;
  bool finite_;
  model::Model& model_;
  std::vector<comm::TensorShape> outputs_;
  std::vector<at::ScalarType> types_;
};

}  // namespace shardmill::serve
