// The batch job that the ranks of a server work on while they have no requests: a run like any other, in the server's
// run folder, under an mpirun of its own. So a record that kills its process takes none of the server's ranks with it.
// Its ranks give way to the server's (store/gate.hpp).
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include <sys/types.h>

#include "job/job.hpp"
#include "serve/idle_state.hpp"
#include "store/run_folder.hpp"

namespace shardmill::cli {

// Made by the server's launcher before any rank starts.
class IdleRun {
 public:
  // `server` has an idle job; `ranks` of the idle job, one for each rank of the server that computes. Makes the run's
  // folder unless it is there. Throws JobError, StoreError.
  IdleRun(const job::Job& server, const store::RunFolder& folder, int ranks);
  // Stops the run if it is at work, and waits for that; it can be resumed, also by itself.
  ~IdleRun();
  IdleRun(const IdleRun&) = delete;
  IdleRun& operator=(const IdleRun&) = delete;

  // Call it often. Starts the run, or goes on with it, once the server is up, and lets the front know how far it is.
  void look(const std::function<bool()>& server_is_up);
  // It then ends by itself, at the end of the batches at hand.
  void ask_to_stop();

 private:
  using Clock = std::chrono::steady_clock;

  void start();
  bool has_ended();
  void note_end(int status);
  void read_progress();

  store::RunFolder server_;
  store::RunFolder run_;
  job::Job job_;
  int ranks_;
  pid_t child_ = 0;  // its launcher, while it lives
  bool began_ = false;
  bool asked_to_stop_ = false;
  serve::IdleState state_;
  Clock::time_point next_look_;
};

}  // namespace shardmill::cli
