#include "serve/reload_signal.hpp"

#include <csignal>

#include <signal.h>

namespace shardmill::serve {
namespace {

volatile std::sig_atomic_t asked = 0;

void note(int) { asked = 1; }

}  // namespace

void catch_reload_signal() {
  struct sigaction action {};
  action.sa_handler = note;
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR2, &action, nullptr);
}

bool reload_was_asked() {
  const bool yes = asked != 0;
  asked = 0;
  return yes;
}

}  // namespace shardmill::serve
