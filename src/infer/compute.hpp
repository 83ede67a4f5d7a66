// Second stage: a batch through transforms, model and post-processing. Bad records are found and cut out here.
#pragma once

#include <optional>
#include <vector>

#include "dataset/record_source.hpp"
#include "infer/batch.hpp"
#include "job/job.hpp"
#include "model/model.hpp"
#include "store/results.hpp"

namespace shardmill::infer {

// One thread.
class Compute {
 public:
  Compute(const job::Job& job, model::Model& model) : job_(job), model_(model) {}

  // Runs a batch of zeros, and from then on knows the outputs. Throws ModelError with a sentence if the model does not
  // take the dataset's records, or gives what cannot be stored.
  const std::vector<store::OutputLayout>& probe(const std::vector<at::Tensor>& zeros);
  // The same, with as few zeros as do: a rank that starts has better things to compute than nothing.
  const std::vector<store::OutputLayout>& probe_quickly(const dataset::RecordSource& source);

  // Inputs become outputs. A batch that throws is split in halves down to the record; a record that throws by itself,
  // or whose output is not finite where the job says `finite: true`, is added to `bad` and its output is zero. A batch
  // with rows to skip goes record by record, as the attempts did that found them.
  void run(Batch& batch);

 private:
  std::vector<at::Tensor> forward(const std::vector<at::Tensor>& inputs);
  void check_layout(const std::vector<at::Tensor>& outputs) const;
  void run_rows(const std::vector<at::Tensor>& inputs, std::int64_t first, std::int64_t count, Batch& batch,
                std::vector<at::Tensor>& into);
  void find_not_finite(Batch& batch) const;

  const job::Job& job_;
  model::Model& model_;
  std::vector<store::OutputLayout> layout_;
};

// A batch of zeros as the dataset would give it.
std::vector<at::Tensor> zeros_for(const dataset::RecordSource& source, std::int64_t records);

}  // namespace shardmill::infer
