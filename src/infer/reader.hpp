// First stage: records from the dataset into host memory, a batch at a time, ahead of the model.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dataset/batch_order.hpp"
#include "dataset/record_source.hpp"
#include "infer/batch.hpp"
#include "infer/bounded_queue.hpp"
#include "infer/outbox.hpp"

namespace shardmill::infer {

// One thread.
class Reader {
 public:
  // Throws dataset::LengthError.
  Reader(const job::Job& job, std::shared_ptr<dataset::RecordSource> source, Outbox& outbox, BoundedQueue<Batch>& out);

  // Reads the lease's batches and passes them on. Batches are cut from the shard's first place on, so they are the same
  // whoever reads them; only a careful lease goes record by record up to the next cut. Records that cannot be read are
  // marked bad and left zero. If the lease is `again`, asks before each batch and waits for the word. Returns when the
  // lease has ended in `out`, or `out` is closed.
  void read(const LeasePtr& lease);

 private:
  void begin_shard(const HeldLease& lease);
  void fill(Batch& batch);
  void fill_in_order(Batch& batch);
  void fill_by_length(Batch& batch);

  const job::Job& job_;
  Outbox& outbox_;
  BoundedQueue<Batch>& out_;
  std::shared_ptr<dataset::RecordSource> source_;
  dataset::BatchOrder order_;
  dataset::BatchOrder::Shard shard_;  // of the lease at hand, if batches go by length
  std::vector<at::Tensor> whole_;     // all its records, if there is room for them: batches are picked from all over it
};

}  // namespace shardmill::infer
