// Do the results hold what the journal says?
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "job/job.hpp"
#include "store/run_folder.hpp"

namespace shardmill::infer {

struct Verification {
  std::int64_t shards = 0;
  std::int64_t shards_checked = 0;
  std::vector<std::string> problems;  // sentences; at most a hundred
};

// Recomputes the checksum of every committed shard from the bytes in the results, and compares it with the journal's
// and with the shard table's; compares record_status and quarantine too. May be called while the run goes on. Throws
// StoreError if journal or results cannot be read at all.
Verification verify_run(const job::Job& job, const store::RunFolder& folder);

}  // namespace shardmill::infer
