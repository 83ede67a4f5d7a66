// A rank's trials: what is leased to it is trained, in a thread of its own, and what there is to say about it goes
// through here to the thread that does MPI.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "comm/messages.hpp"
#include "job/job.hpp"
#include "store/run_folder.hpp"
#include "train/solo.hpp"

namespace shardmill::sweep {

// One thread calls it but for ~Runner, which waits for the trial at hand. The job outlives it.
class Runner {
 public:
  Runner(const job::Job& job, int local_rank);
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  void open(const store::RunFolder& run);  // once, before the first lease
  void add(const comm::Lease& lease);
  // The word that a lease that is `again` waits for.
  void proceed(std::int64_t trial, std::int64_t attempt);
  // Gives the trial back when its state is saved.
  void revoke(std::int64_t trial, std::int64_t attempt);
  // The leases are void: trials are left where they are, their state saved, and nobody is told.
  void revoke_all();
  // What is to be sent to the coordinator; waits for it, if there is nothing.
  std::deque<comm::Message> take(std::chrono::microseconds wait);
  bool is_idle() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Held {
    comm::Lease lease;
    std::unique_ptr<train::Solo> solo;  // while it is trained
    bool may_begin = false;
    bool revoked = false;
    bool silent = false;   // nobody is to be told of it any more
    std::int64_t row = 0;  // of a trial's rows, durable
    std::uint64_t progressed = 0;
  };

  void work();
  comm::Message outcome(Held& held);
  void saved(Held& held, std::int64_t step, std::int64_t steps);
  void say(const Held& held, comm::Message message);
  void stop(Held& held);
  void note_progress();

  const job::Job& job_;
  const int local_rank_;
  store::RunFolder run_;
  mutable std::mutex mutex_;
  std::condition_variable for_runner_;
  std::condition_variable for_clerk_;
  std::deque<std::unique_ptr<Held>> held_;  // the first one is trained, once it may
  std::deque<comm::Message> messages_;
  Clock::time_point said_ = Clock::now();  // that the trial at hand moves, last
  bool end_ = false;
  std::thread thread_;
};

}  // namespace shardmill::sweep
