// The journals of a run's parts, one by one and as one.
#pragma once

#include <cstdint>
#include <vector>

#include "coordinator/types.hpp"
#include "job/part.hpp"
#include "store/run_folder.hpp"

namespace shardmill::infer {

struct PartRecord {
  job::Part part;
  store::RunFolder folder;
  bool running = false;
  std::vector<coordinator::Entry> entries;  // none: it has not begun
};

// Of a run's own journal, which must be there. Throws StoreError.
std::vector<coordinator::Entry> read_entries(const store::RunFolder& folder);
// All parts in order, also those that are not there yet; empty if the run is not in parts. Throws StoreError.
std::vector<PartRecord> read_parts(const store::RunFolder& whole);

// The journal that a run in one piece would have: Opened with the whole plan, everything that happened in the parts,
// one part after the other, and what that comes to. Empty if no part has begun. now: for the parts that are running.
std::vector<coordinator::Entry> join_journals(const std::vector<PartRecord>& parts, std::int64_t now);

}  // namespace shardmill::infer
