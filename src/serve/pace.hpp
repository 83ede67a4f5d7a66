// How long a thread that waits for messages over MPI, which cannot wake it, sleeps before it looks again.
//
// Whom all senders can ring (comm/bell.hpp) sleeps until they do. Others look hardly less often than they can for a
// short while after something has happened, since more is likely to, then less and less. An idle thread costs next to
// nothing.
#pragma once

#include <algorithm>
#include <chrono>

#include <sched.h>
#include <sys/prctl.h>

namespace shardmill::serve {

// What a look has brought.
enum class Look {
  nothing,
  announced,  // a message is on its way: a ring has come before it, or a part of it is there
  worked,
};

// worked: something came of it; announced: a ring, or a part of a message.
inline Look look_of(bool worked, bool announced) {
  if (worked) return Look::worked;
  return announced ? Look::announced : Look::nothing;
}

class Pace {
 public:
  using Clock = std::chrono::steady_clock;
  using Nap = std::chrono::microseconds;
  static constexpr Nap shortest{50};

  // attentive: how long it looks as often as it can. is_rung: all senders ring.
  Pace(Nap attentive, bool is_rung) : attentive_(attentive), is_rung_(is_rung) {}

  void note(Look look, Clock::time_point now) {
    const bool stirs = look == Look::worked || (look == Look::announced && !awaits_);
    if (!stirs) return;
    stirred_ = now;
    awaits_ = look == Look::announced;
    nap_ = shortest;
  }
  // The next nap, `longest` at most; 0: look again at once, if it may spin, which takes a core.
  Nap next(Clock::time_point now, bool may_spin, Nap longest) {
    if (now - stirred_ < attentive_) {
      if (may_spin) return Nap{0};
      if (!is_rung_ || awaits_) return std::min(shortest, longest);
    }
    if (is_rung_) return longest;
    const Nap nap = std::min(nap_, longest);
    nap_ = std::min(nap_ * 2, longest);
    return nap;
  }

 private:
  Nap attentive_;
  bool is_rung_;
  bool awaits_ = false;
  Nap nap_ = shortest;
  Clock::time_point stirred_{};
};

// Whether each of so many processes on this machine may have a core for spinning beside one for its work: a thread that
// spins where others wait for a core makes everything slower.
inline bool cores_for_spinning(int processes) {
  cpu_set_t cores;
  return ::sched_getaffinity(0, sizeof cores, &cores) == 0 && CPU_COUNT(&cores) >= 2 * processes;
}

// The calling thread's naps end when they should, not up to 50 us later.
inline void nap_precisely() { ::prctl(PR_SET_TIMERSLACK, 1000UL); }

}  // namespace shardmill::serve
