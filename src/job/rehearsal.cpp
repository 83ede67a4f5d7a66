#include "job/rehearsal.hpp"

#include <cstdlib>
#include <vector>

#include "job/fault_text.hpp"
#include "job/names.hpp"

namespace shardmill::job {
namespace {

void add_to_environment(const char* variable, const std::vector<std::string>& faults) {
  std::string text = environment_text(variable);
  for (const std::string& fault : faults) text += (text.empty() ? "" : ",") + fault;
  if (!text.empty()) ::setenv(variable, text.c_str(), 1);
}

}  // namespace

void arm_rehearsal(const Job& job) {
  if (!job.faults) return;
  add_to_environment("SHARDMILL_CRASH_AT", job.faults->crash_at);
  add_to_environment("SHARDMILL_DISK_FAULT", job.faults->disk);
}

Verdict judge_rehearsal(const Faults& faults, ExitCode outcome, std::int64_t met, std::int64_t recovered) {
  std::string wrong;
  const auto compare = [&wrong](const std::string& what, const std::string& expected, const std::string& came) {
    if (expected == came) return;
    wrong += (wrong.empty() ? "" : ", ") + what + " " + came + " instead of " + expected;
  };
  if (faults.outcome) {
    const bool named = outcome != ExitCode::bad_job;
    compare("outcome", std::string(name_of(*faults.outcome)), named ? std::string(name_of(outcome)) : "bad job");
  }
  if (faults.faults) compare("faults", std::to_string(*faults.faults), std::to_string(met));
  if (faults.recovered) {
    compare("recovered", std::to_string(*faults.recovered), std::to_string(recovered));
  }
  return wrong.empty() ? Verdict{true, "as expected"} : Verdict{false, "not as expected: " + wrong};
}

}  // namespace shardmill::job
