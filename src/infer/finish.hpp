// The end of a run in parts: is all there?
#pragma once

#include "job/job.hpp"
#include "report/summary.hpp"
#include "store/run_folder.hpp"

namespace shardmill::infer {

// Checks that every shard is journalled by its part and that its rows have the checksum told there, brings the tables
// of results.h5 up to the journals, and writes the run's own journal, with its done mark, and summary.json. `job` is
// the whole run's. May be called again at any time; ends with the same. Throws StoreError naming every part that is not
// done and what to do about it, or what is wrong with the results.
report::Summary finish_run(const job::Job& job, const store::RunFolder& whole);

}  // namespace shardmill::infer
