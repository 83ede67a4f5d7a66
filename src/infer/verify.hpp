// Do the results hold what the journal says?
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "infer/run_files.hpp"
#include "job/job.hpp"
#include "store/run_folder.hpp"

namespace shardmill::infer {

struct Verification {
  std::int64_t shards = 0;
  std::int64_t shards_checked = 0;
  std::vector<std::string> problems;  // sentences; at most a hundred
};

// The part that looks at the results: checksums, and the tables if they are to be up to the journal.
Verification verify_commits(const job::Job& job, const RunRecord& record, store::Results& results, bool tables);

// Recomputes the checksum of every committed shard from the bytes in the results, and compares it with the journal's
// and with the shard table's; compares record_status and quarantine too. May be called while the run goes on. Throws
// StoreError if journal or results cannot be read at all.
Verification verify_run(const job::Job& job, const store::RunFolder& folder);

}  // namespace shardmill::infer
