#include "job/disk_fault.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <optional>

#include "job/error.hpp"
#include "job/fault_text.hpp"

namespace shardmill {
namespace {

struct FaultSpec {
  DiskOp op = DiskOp::open;
  std::optional<int> rank;  // none: any
  int nth = 1;
  DiskFault fault;
  std::string file;
};

struct ArmedFault {
  FaultSpec spec;
  std::atomic<int> calls{0};
};

constexpr std::size_t most_faults = 16;
std::array<ArmedFault, most_faults> armed_faults;
std::atomic<std::size_t> fault_count{0};

std::vector<FaultSpec> parse_faults(std::string_view text) {
  std::vector<FaultSpec> specs;
  if (text.empty()) return specs;
  for (const std::string_view item : split_text(text, ',')) {
    const auto parts = split_text(item, ':');
    if (parts.size() < 4 || parts.size() > 5) {
      throw UsageError("'" + std::string(item) + "' is not op:rank:nth:ENOSPC|EIO|short[:file]");
    }
    FaultSpec spec;
    const auto& names = disk_op_names();
    const auto name = std::find(names.begin(), names.end(), parts[0]);
    if (name == names.end()) throw UsageError("there is no disk operation '" + std::string(parts[0]) + "'");
    spec.op = static_cast<DiskOp>(name - names.begin());
    if (parts[1] != "*") spec.rank = fault_number(parts[1], item);
    spec.nth = fault_number(parts[2], item);
    if (spec.nth == 0) throw UsageError("calls count from 1, in '" + std::string(item) + "'");
    if (parts[3] == "ENOSPC") {
      spec.fault.error = ENOSPC;
    } else if (parts[3] == "EIO") {
      spec.fault.error = EIO;
    } else if (parts[3] == "short" && spec.op == DiskOp::write) {
      spec.fault.is_short = true;
    } else {
      throw UsageError("'" + std::string(parts[3]) + "' in '" + std::string(item) +
                       "' is not ENOSPC or EIO, nor short for a write");
    }
    if (parts.size() == 5) spec.file = parts[4];
    specs.push_back(std::move(spec));
    if (specs.size() > most_faults) throw UsageError("more than 16 disk faults");
  }
  return specs;
}

}  // namespace

const std::vector<std::string>& disk_op_names() {
  static const std::vector<std::string> names = {
      "open",         // of a file for reading, writing or creating
      "read",         // pread
      "write",        // pwrite
      "sync",         // fdatasync
      "truncate",     // ftruncate
      "reserve",      // fallocate
      "rename",       // rename
      "remove",       // unlink
      "make-folder",  // mkdir
      "sync-folder",  // fsync of a folder
  };
  return names;
}

void check_disk_faults(const std::string& text) { static_cast<void>(parse_faults(text)); }

void arm_disk_faults(int rank) {
  std::size_t count = 0;
  try {
    for (FaultSpec& spec : parse_faults(environment_text("SHARDMILL_DISK_FAULT"))) {
      if (rank < 0 || (spec.rank && *spec.rank != rank)) continue;
      armed_faults[count].spec = std::move(spec);
      armed_faults[count].calls = 0;
      ++count;
    }
  } catch (const UsageError& error) {
    throw UsageError(std::string("SHARDMILL_DISK_FAULT: ") + error.what());
  }
  fault_count = count;
}

DiskFault disk_fault(DiskOp op, const std::filesystem::path& path) {
  const std::size_t count = fault_count.load(std::memory_order_relaxed);
  DiskFault met;
  for (std::size_t i = 0; i < count; ++i) {
    const FaultSpec& spec = armed_faults[i].spec;
    if (spec.op != op || path.filename().string().find(spec.file) == std::string::npos) continue;
    if (++armed_faults[i].calls == spec.nth) met = spec.fault;
  }
  return met;
}

}  // namespace shardmill
