#include "cli/machine.hpp"

#include <algorithm>
#include <filesystem>

#include <sched.h>

namespace shardmill::cli {

int cores() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) return std::max(CPU_COUNT(&set), 1);
  return 1;
}

int gpus() {
#ifdef SHARDMILL_WITH_CUDA
  int count = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/driver/nvidia/gpus", error)) {
    static_cast<void>(entry);
    ++count;
  }
  return count;
#else
  return 0;
#endif
}

bool runs_on_gpus(const job::Job& job) {
  if (gpus() == 0) return false;
  const auto is_for_gpu = [](const job::Model& model) { return model.device != job::Device::cpu; };
  if (job.kind == job::Kind::sweep)
    return std::any_of(job.sweep.trials.begin(), job.sweep.trials.end(),
                       [&](const job::Trial& trial) { return is_for_gpu(trial.job->model); });
  if (job.kind != job::Kind::serve) return is_for_gpu(job.model);
  return std::any_of(job.serve.models.begin(), job.serve.models.end(),
                     [&](const job::ServedModel& served) { return is_for_gpu(served.model); });
}

}  // namespace shardmill::cli
