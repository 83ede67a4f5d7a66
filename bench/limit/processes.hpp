// What the limits have in common: processes with a core each that begin together.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include <ATen/core/TensorBody.h>

#include "job/job.hpp"

namespace shardmill::bench {

// Where the processes meet.
class Meeting {
 public:
  explicit Meeting(int processes) : processes_(processes) {}
  // Until all are here, or one has failed.
  void wait();
  void fail() { failed_ = true; }

 private:
  int processes_;
  std::atomic<int> here_{0};
  std::atomic<bool> failed_{false};
};

// Forks so many processes, each bound to a core, and has each do `work`: it prepares, meets the others, and tells the
// seconds that its loop took. All of their seconds. Throws std::runtime_error if one failed, which has said why.
std::vector<double> run_processes(int processes, const std::function<double(int process, Meeting&)>& work);

// Memory that is freed stays with the process: else every large tensor costs the kernel's clearing of its pages anew,
// which is up to a fifth of the time.
void keep_memory();

// All records of the dataset's inputs, as stored: [records, ...] each.
std::vector<at::Tensor> read_all(const job::Dataset& dataset);

}  // namespace shardmill::bench
