// Storage faults that a test, or a user who rehearses, can have injected where the program writes what must survive.
//
//   SHARDMILL_DISK_FAULT=op:rank:nth:ENOSPC|EIO|short[:file][,...]
//
// The nth (from 1) call of `op` on `rank` (any: `*`) fails with that error; with `short` a write takes only a part. If
// file is given, only calls on a file whose name holds that text count: journal, results. Off, a call costs one load.
// Operations are listed in docs/recovery.md.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace shardmill {

enum class DiskOp { open, read, write, sync, truncate, reserve, rename, remove, make_folder, sync_folder };

// By their names: "open", "sync-folder".
const std::vector<std::string>& disk_op_names();

// Throws UsageError on a malformed or unknown one, without saying where the text comes from.
void check_disk_faults(const std::string& text);

// Reads the environment once; call before the first use of the disk. Rank -1: only checks. Throws UsageError.
void arm_disk_faults(int rank);

struct DiskFault {
  int error = 0;  // errno to fail with; 0: none
  bool is_short = false;
};
// Thread-safe. What the call that is about to be made is to meet.
DiskFault disk_fault(DiskOp op, const std::filesystem::path& path);

}  // namespace shardmill
