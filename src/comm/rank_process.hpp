// What every rank's process does about its start, signals, its launcher, and its last words.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <string>

#include "comm/world.hpp"
#include "job/exit_codes.hpp"

namespace shardmill::comm {

// Starts MPI in this process: signals, launcher, faults to be met, World. before_mpi is called just before that starts,
// if it is there. What goes wrong ends the process, with one sentence.
std::unique_ptr<World> start_rank(const std::function<void()>& before_mpi = {});

// How a rank leaves after an error that nobody has handled.
struct LastWords {
  World& world;
  bool leads = false;               // errors that all ranks meet are told by one
  bool restarts_when_lost = false;  // RankLost is a remark: the front door starts the run again
  std::function<void(const std::string&)> log;
  std::function<void(ExitCode)> dismiss;  // tells the others, if that is this rank's to do
};
[[noreturn]] void leave_after(const std::exception& error, const LastWords& words);

// SIGUSR1, SIGTERM and SIGINT ask the run to stop: they are noted, for caught_signal(). SIGPIPE is ignored.
void catch_signals();
// The one that has come since the last call, or 0.
int caught_signal();

// The process is killed when the mpirun that started it dies: it would hold the run against the next mpirun.
void die_with_launcher();

// One line on standard error: "shardmill: error: ...", which the front door passes on to the user.
void print_error(const std::string& message);
// "shardmill: ...": for the log of a run that is started again by itself, and for who watches mpirun.
void print_remark(const std::string& message);

}  // namespace shardmill::comm
