// How long something took, by the clock that never jumps.
#pragma once

#include <chrono>

namespace shardmill {

inline double seconds_since(std::chrono::steady_clock::time_point then) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - then).count();
}

// Seconds of the steady clock: only their differences mean something, and only in one process.
inline double steady_seconds() { return seconds_since({}); }

}  // namespace shardmill
