#include "comm/rank_process.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "comm/placement.hpp"
#include "job/crash_point.hpp"
#include "job/disk_fault.hpp"
#include "job/error.hpp"

namespace shardmill::comm {
namespace {

volatile std::sig_atomic_t noted = 0;

void note_signal(int signal) { noted = signal; }

void print_line(std::string line) {
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::fputs((line + "\n").c_str(), stderr);
  std::fflush(stderr);
}

}  // namespace

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = note_signal;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGUSR1, SIGTERM, SIGINT}) sigaction(signal, &action, nullptr);
  // MPI between nodes writes to sockets whose other end may have died an instant ago: that is an error, not the end.
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);
}

int caught_signal() {
  const int signal = noted;
  noted = 0;
  return signal;
}

void die_with_launcher() {
  const bool launched = placement_from_environment().size > 0;
  if (launched && ::getppid() != 1) ::prctl(PR_SET_PDEATHSIG, SIGKILL);
}

void print_error(const std::string& message) { print_line("shardmill: error: " + message); }
void print_remark(const std::string& message) { print_line("shardmill: " + message); }

std::unique_ptr<World> start_rank(const std::function<void()>& before_mpi) {
  catch_signals();
  die_with_launcher();
  try {
    const int rank = placement_from_environment().rank;
    arm_crash_points(rank);
    arm_disk_faults(rank);
    if (before_mpi) before_mpi();
    return std::make_unique<World>();
  } catch (const Error& error) {
    print_error(error.what());
    std::_Exit(to_int(error.exit_code()));
  }
}

void leave_after(const std::exception& error, const LastWords& words) {
  words.log(std::string("leaving: ") + error.what());
  const auto* known = dynamic_cast<const Error*>(&error);
  const bool lost = dynamic_cast<const RankLost*>(&error) != nullptr;
  if (lost && words.restarts_when_lost) {
    print_remark(error.what());
  } else if (known == nullptr || words.leads) {
    print_error(error.what());
  }
  const ExitCode code = known == nullptr ? ExitCode::failed : known->exit_code();
  words.dismiss(code);
  words.world.leave(to_int(code), false);
}

}  // namespace shardmill::comm
