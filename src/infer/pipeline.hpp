// A rank at work: read -> model -> write, a thread each, with bounded queues between them. The model never waits for
// the disk as long as the others keep up.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "infer/batch.hpp"
#include "infer/bounded_queue.hpp"
#include "infer/outbox.hpp"
#include "job/exit_codes.hpp"
#include "job/job.hpp"
#include "store/results.hpp"

namespace shardmill::infer {

// Batches waiting in front of the model, and as many again in front of the writer.
inline constexpr std::size_t batches_ahead = 4;

// Made and used by the rank's main thread; everything that it has to say goes through the outbox.
class Pipeline {
 public:
  // Starts loading the model, and says ModelReady or GiveUp when that has ended. `job` outlives the pipeline.
  Pipeline(const job::Job& job, int local_rank, Outbox& outbox);
  ~Pipeline();  // stop()

  // Begins to take leases: the results are there. `results` outlives the pipeline.
  void open(store::Results& results);
  // Queues a lease; leases are worked on in order.
  void add(const comm::Lease& lease);
  // The lease ends at the next batch; it is then Returned.
  void revoke(std::int64_t shard, std::int32_t attempt);
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
  void give_up(const std::string& message, ExitCode code = ExitCode::failed);

  const job::Job& job_;
  int local_rank_;
  Outbox& outbox_;
  store::Results* results_ = nullptr;
  std::mutex mutex_;
  std::map<std::pair<std::int64_t, std::int32_t>, std::weak_ptr<HeldLease>> held_;
  BoundedQueue<LeasePtr> leases_;
  BoundedQueue<Batch> to_model_;
  BoundedQueue<Batch> to_writer_;
  std::thread reader_;
  std::thread model_;
  std::thread writer_;
};

}  // namespace shardmill::infer
