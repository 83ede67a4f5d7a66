// Every exit code of every shardmill program, in one place.
#pragma once

namespace shardmill {

enum class ExitCode : int {
  done = 0,         // all records are in the results
  failed = 1,       // the run ended early; `shardmill resume RUN` goes on from what is durable
  bad_job = 2,      // bad job file or usage, or a dataset or model that does not fit it; nothing was started
  quarantined = 3,  // done, but some records are in quarantine
  preempted = 75,   // stopped on request (EX_TEMPFAIL); resumable, no attempt was charged
};

constexpr int to_int(ExitCode code) { return static_cast<int>(code); }

}  // namespace shardmill
