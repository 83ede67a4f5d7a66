// How long this process may still run, as the batch system says.
#pragma once

#include <optional>

namespace shardmill::comm {

// Seconds until the run should stop by itself: to SLURM_JOB_END_TIME (seconds since 1970), less SHARDMILL_STOP_BEFORE
// (60 if unset). Negative if that is past, none if there is no end.
std::optional<double> seconds_to_stop();

}  // namespace shardmill::comm
