// Where the two threads of a rank meet: the worker, which computes, and the clerk, which does MPI.
//
// The worker is written as if transfers were function calls; the clerk keeps the rank heard and finds deaths meanwhile.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "comm/messages.hpp"
#include "comm/transfer.hpp"
#include "job/exit_codes.hpp"

namespace shardmill::train {

// The members of this generation are no longer all there: the worker is to come to regroup(). No error.
struct Interrupted {};

// What keeps the worker from going on: the model with these settings (its loss is not finite, it does not fit into
// memory), the disk, or anything else.
enum class Cause { model, storage, other };

// The worker cannot go on (Desk::fail).
struct Trouble {
  std::string message;
  ExitCode code = ExitCode::failed;
  Cause cause = Cause::other;
};

class Desk {
 public:
  using Task = std::function<void()>;  // for the clerk to do, in the order posted

  // ---- The worker's side ----

  // Says where this rank stands and waits for the deal. None: the run is over.
  std::optional<comm::Deal> regroup(comm::Standing standing);
  // Throws Interrupted if a peer is lost before all has come and gone.
  void exchange(std::vector<comm::Transfer> sends, std::vector<comm::Transfer> receives);
  // Waits for the next deal or the end; for a rank that has nothing to do. Throws Interrupted.
  void idle();
  bool interrupted() const { return interrupted_; }
  void throw_if_interrupted() const;
  // While it lives the worker waits for others by itself, without the clerk.
  class Waiting {
   public:
    explicit Waiting(Desk& desk) : desk_(desk) { desk_.set_waiting(true); }
    ~Waiting() { desk_.set_waiting(false); }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

   private:
    Desk& desk_;
  };
  void post(Task task);
  void fail(Trouble trouble);
  // A sign of progress, for the clerk's watch over a worker that is stuck.
  void progress() { ++progressed_; }

  // ---- The clerk's side ----

  struct Transfers {
    std::vector<comm::Transfer> sends;
    std::vector<comm::Transfer> receives;
  };
  // Waits up to `nap` for something new from the worker. True if there is.
  bool wait(std::chrono::microseconds nap);
  std::optional<Transfers> take_transfers();
  void end_transfers(bool good);
  std::optional<comm::Standing> standing() const;  // if the worker waits for a deal
  std::deque<Task> take_tasks();
  std::optional<Trouble> trouble() const;
  void interrupt();  // until the next deal
  void deal(const comm::Deal& deal);
  void end();  // the run is over
  // Computing, neither waiting for others nor done; and how often it has made progress.
  bool busy() const;
  std::uint64_t progressed() const { return progressed_; }

 private:
  void set_waiting(bool waiting);

  mutable std::mutex mutex_;
  std::condition_variable for_worker_;
  std::condition_variable for_clerk_;
  bool news_ = false;
  bool waiting_ = false;  // the worker, for others
  bool ended_ = false;
  std::atomic<bool> interrupted_ = true;  // there is no deal yet
  std::atomic<std::uint64_t> progressed_ = 0;
  std::optional<Transfers> transfers_;
  std::optional<bool> transferred_;
  std::optional<comm::Standing> standing_;
  std::optional<comm::Deal> deal_;
  std::optional<Trouble> trouble_;
  std::deque<Task> tasks_;
};

}  // namespace shardmill::train
