// A rank at work: read -> model -> write, a thread each, with bounded queues between them. The model never waits for
// the disk as long as the others keep up.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "infer/batch.hpp"
#include "infer/bounded_queue.hpp"
#include "infer/outbox.hpp"
#include "infer/rows.hpp"
#include "infer/supply.hpp"
#include "job/exit_codes.hpp"
#include "job/job.hpp"
#include "store/gate.hpp"

namespace shardmill::infer {

// Batches waiting in front of the model, and as many again in front of the writer.
inline constexpr std::size_t batches_ahead = 4;
// More, as long as they have no more bytes than this: in front of the model a few, or the reader were woken for each;
// in front of the writer many, since with short shards a sync takes as long as hundreds of batches.
inline constexpr std::size_t small_inputs = 2U << 20U;
inline constexpr std::size_t most_small_inputs = 16;
inline constexpr std::size_t small_outputs = 1U << 20U;

// Made and used by the rank's main thread; everything that it has to say goes through the outbox.
class Pipeline {
 public:
  // Starts loading the model, and says ModelReady or GiveUp when that has ended. References outlive the pipeline. With
  // a gate the model computes a batch only while the gate lets it in; leases that wait for that show progress.
  Pipeline(const job::Job& job, Supply& supply, int local_rank, Outbox& outbox,
           std::unique_ptr<store::Gate> gate = nullptr);
  ~Pipeline();  // stop()

  // Begins to take leases: the results are there. `rows` outlives the pipeline.
  void open(Rows& rows);
  // Queues a lease; leases are worked on in order.
  void add(const comm::Lease& lease);
  // The lease ends at the next batch; it is then Returned.
  void revoke(std::int64_t shard, std::int64_t attempt);
  // The lease waits before each batch (it is `again`); the one at `row` may begin.
  void proceed(std::int64_t shard, std::int64_t attempt, std::int64_t row);
  // All leases end at the next batch: whoever granted them is gone.
  void revoke_all();
  // No lease is being worked on.
  bool idle();
  // Leaves off and joins the threads; waits for the batch in the model, at most.
  void stop();

 private:
  void read_loop();
  void model_loop();
  void write_loop();
  bool take_turn(const Batch& batch);
  bool take_turn();
  void give_up(const std::exception& error, ExitCode code = ExitCode::failed);

  const job::Job& job_;
  Supply& supply_;
  int local_rank_;
  Outbox& outbox_;
  std::unique_ptr<store::Gate> gate_;
  std::atomic<bool> stopping_ = false;
  Rows* rows_ = nullptr;
  std::mutex mutex_;
  std::map<std::pair<std::int64_t, std::int64_t>, std::weak_ptr<HeldLease>> held_;
  BoundedQueue<LeasePtr> leases_;
  std::atomic<std::int64_t> not_computed_ = 0;  // leases
  BoundedQueue<Batch> to_model_;
  BoundedQueue<Batch> to_writer_;
  std::thread reader_;
  std::thread model_;
  std::thread writer_;
};

}  // namespace shardmill::infer
