// Named places at which a test, or a user who rehearses, can have a process killed or stopped.
//
//   SHARDMILL_CRASH_AT=point:rank:nth[:SIGKILL|SIGSTOP][,...]
//
// The nth (from 1) passage of `point` on `rank` (any: `*`) raises the signal in the calling process. Off, a passage
// costs one load. Points are listed in docs/recovery.md.
#pragma once

#include <string>
#include <vector>

namespace shardmill {

// The names of all points, for --help, tests and docs.
const std::vector<std::string>& crash_point_names();

// Reads the environment once; call before the first passage. Throws UsageError on a malformed or unknown point.
void arm_crash_points(int rank);

// Thread-safe.
void crash_point(const char* name);

}  // namespace shardmill
