// First stage: records from the dataset into host memory, a batch at a time, ahead of the model.
#pragma once

#include <cstdint>

#include "dataset/record_source.hpp"
#include "infer/batch.hpp"
#include "infer/bounded_queue.hpp"

namespace shardmill::infer {

// Reads the lease's batches and passes them on. Batches are cut from the shard's first record on, so they are the same
// whoever reads them; only a careful lease goes record by record up to the next cut. Records that cannot be read are
// marked bad and left zero. Returns when the lease has ended in `out`, or `out` is closed.
void read_lease(dataset::RecordSource& source, const LeasePtr& lease, std::int64_t batch_size,
                BoundedQueue<Batch>& out);

}  // namespace shardmill::infer
