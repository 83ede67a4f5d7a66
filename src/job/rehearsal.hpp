// A job that has faults injected, and says what is to come of it.
#pragma once

#include <cstdint>
#include <string>

#include "job/exit_codes.hpp"
#include "job/job.hpp"

namespace shardmill::job {

// Adds the job's faults to those that the environment asks for, so that ranks started from here meet them.
void arm_rehearsal(const Job& job);

struct Verdict {
  bool as_expected = true;
  std::string text;  // "as expected", or one sentence on what was expected and what came
};
// met, recovered: how many faults there were, and how many of them were recovered.
Verdict judge_rehearsal(const Faults& faults, ExitCode outcome, std::int64_t met, std::int64_t recovered);

}  // namespace shardmill::job
