// Third stage: rows into the results, synced, and only then reported.
#pragma once

#include <chrono>
#include <map>
#include <vector>

#include "infer/batch.hpp"
#include "infer/bounded_queue.hpp"
#include "infer/outbox.hpp"
#include "infer/rows.hpp"

namespace shardmill::infer {

// One thread.
class Writer {
 public:
  Writer(Rows& rows, Outbox& outbox) : rows_(rows), outbox_(outbox) {}

  // Takes batches until the queue is closed and empty. All that is there is written before one sync serves it all.
  // Throws StoreError; what was reported before is safe.
  void run(BoundedQueue<Batch>& in);

 private:
  // A lease with rows written but not reported as finished.
  struct Open {
    LeasePtr lease;
    store::ShardHasher hasher;
    std::int64_t written = 0;   // rows of the shard, from its first
    std::int64_t reported = 0;  // those known to be durable
    std::vector<comm::BadRecord> bad;
    bool finished = false;
    bool abandoned = false;
  };

  void write(const Batch& batch);
  void write_rows(const Batch& batch, Open& open);
  void hash_stored(std::int64_t first_record, std::int64_t count, store::ShardHasher& hasher);
  void commit();
  Open& open(const LeasePtr& lease, bool scattered);

  Rows& rows_;
  Outbox& outbox_;
  std::map<const HeldLease*, Open> open_;
  std::chrono::steady_clock::time_point last_commit_ = std::chrono::steady_clock::now();
  bool commit_now_ = false;
};

}  // namespace shardmill::infer
