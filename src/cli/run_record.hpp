// What a run's journal says, whatever the kind of its job.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "job/job.hpp"
#include "report/summary.hpp"
#include "serve/record.hpp"
#include "store/run_folder.hpp"
#include "sweep/record.hpp"

namespace shardmill::cli {

struct RunRecord {
  std::optional<ExitCode> ended;  // how its last incarnation ended; none if it was cut off or is still running
  std::string message;
  bool running = false;
  report::Summary summary;
  std::optional<serve::LiveFigures> serving;  // of a server that runs, or was cut off
  std::optional<sweep::Table> trials;         // of a sweep
  std::int64_t advances = 0;                  // grows with what is done for good
  std::int64_t suspicions = 0;                // grows while a record that kills its process is pinned down
};

// The run's own copy of its job, to look at: files that it names may be missing by now, or still. Throws JobError.
job::Job job_of(const store::RunFolder& folder);

// Does not open the journal for writing. None if there is no journal yet, of a run in parts if there are no parts'
// either. Throws StoreError.
std::optional<RunRecord> read_record(const job::Job& job, const store::RunFolder& folder);

// True if nothing is left to do.
bool is_done(const RunRecord& record);

}  // namespace shardmill::cli
