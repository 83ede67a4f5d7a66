// Looks after an mpirun where the ranks cannot look after each other: while MPI starts, and when a process is stopped
// that nobody is left to miss.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include <sys/types.h>

#include "store/run_folder.hpp"

namespace shardmill::cli {

class Watchdog {
 public:
  // From the start of mpirun on. rank_timeout in seconds, as in the job.
  Watchdog(const store::RunFolder& folder, pid_t mpirun, double rank_timeout, int ranks);

  // Call it some ten times a second. What it did, as a sentence for the log, or "".
  //   - Nobody has taken up the run for long: a rank died or stopped inside of MPI_Init, in which the others then wait
  //     for ever. mpirun is ended.
  //   - A process that mpirun has started on this host is stopped (SIGSTOP) for longer than others would wait: it is
  //     killed.
  std::string look();
  // A rank has left with an error. If it did so before MPI had started, the others wait in MPI_Init as above.
  void error_told();

 private:
  using Clock = std::chrono::steady_clock;
  std::string look_at_start();
  std::string look_for_stopped();

  const store::RunFolder& folder_;
  pid_t mpirun_;
  std::chrono::duration<double> start_patience_;
  int most_looks_;                // that find a process stopped
  std::map<pid_t, int> stopped_;  // how many in a row did
  Clock::time_point started_ = Clock::now();
  bool up_ = false;
  bool ending_ = false;
};

// Between two looks.
inline constexpr std::chrono::milliseconds watchdog_interval{100};

}  // namespace shardmill::cli
