// A rank that runs models. They run in a thread of their own, so that a long forward pass is no silence; new ones are
// loaded in another, so that loading holds up no request. What it computes on is lent to the server's idle job, if
// there is one, while it has nothing to do.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "comm/control_channel.hpp"
#include "comm/world.hpp"
#include "job/exit_codes.hpp"
#include "job/job.hpp"
#include "serve/model_shelf.hpp"
#include "serve/pace.hpp"
#include "store/gate.hpp"

namespace shardmill::serve {

// The rank's number on its host among those that compute.
int device_rank(int rank, int local_rank);

// Made and used by the thread that does MPI.
class Worker {
 public:
  // gate: for who gives way to this rank; null if nobody does.
  Worker(comm::World& world, comm::ControlChannel& channel, const job::Job& job, std::unique_ptr<store::Gate> gate);

  // Until the front ends it. Throws RankLost if the front is gone.
  ExitCode live();
  // No batch is in a model, and none is being loaded.
  bool idle();
  // Waits until that is so.
  void join();

 private:
  using Work = std::variant<comm::Forward, comm::Unload>;

  void run_models();
  std::optional<Work> next_work();
  void claim();
  void load_models();
  void deliver(comm::Received& received);
  void post(comm::Message message);
  std::deque<comm::Message> said();
  Look turn(std::chrono::microseconds nap);

  comm::World& world_;
  comm::ControlChannel& channel_;
  const job::Job& job_;
  ModelShelf shelf_;
  std::unique_ptr<store::Gate> gate_;
  bool claimed_ = false;  // by the thread that runs models
  std::thread runner_;
  std::thread loader_;
  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable orders_;
  std::deque<Work> todo_;
  std::deque<comm::Load> to_load_;
  std::deque<comm::Message> outbox_;
  bool busy_ = false;
  bool loading_ = false;
  bool stop_ = false;
  bool logs_ = false;
  std::chrono::steady_clock::time_point heard_;
  std::chrono::steady_clock::time_point last_sign_;
  std::optional<ExitCode> end_;
};

}  // namespace shardmill::serve
