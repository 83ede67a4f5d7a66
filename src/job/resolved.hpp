// A Job as a job file again, with everything spelled out.
#pragma once

#include <string>

#include "job/job.hpp"

namespace shardmill::job {

// Reads back, anywhere and in any environment, as an equal Job.
std::string to_yaml(const Job& job);

}  // namespace shardmill::job
