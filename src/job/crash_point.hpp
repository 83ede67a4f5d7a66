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

// Throws UsageError on a malformed or unknown one, without saying where the text comes from.
void check_crash_points(const std::string& text);

// Reads the environment once; call before the first passage. Rank -1: only checks. Throws UsageError on a malformed or
// unknown point.
void arm_crash_points(int rank);

// Of both kinds, SHARDMILL_CRASH_AT and SHARDMILL_DISK_FAULT: a mistyped one is to be told before any rank starts.
// Throws UsageError.
void check_fault_environment();

// Thread-safe.
void crash_point(const char* name);

}  // namespace shardmill
