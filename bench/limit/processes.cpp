#include "processes.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <limits>
#include <stdexcept>
#include <string>

#include <ATen/ATen.h>
#include <malloc.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dataset/record_source.hpp"
#include "model/model.hpp"

namespace shardmill::bench {
namespace {

constexpr int most_processes = 64;

struct Shared {
  explicit Shared(int processes) : meeting(processes) {}
  Meeting meeting;
  double seconds[most_processes]{};
};

void bind_to_core(int process) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  int left = process % std::max(CPU_COUNT(&allowed), 1);
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &allowed) && left-- == 0) {
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(core, &one);
      sched_setaffinity(0, sizeof one, &one);
      return;
    }
  }
}

}  // namespace

void Meeting::wait() {
  ++here_;
  while (here_ < processes_ && !failed_) sched_yield();
}

std::vector<double> run_processes(int processes, const std::function<double(int process, Meeting&)>& work) {
  if (processes < 1 || processes > most_processes) throw std::runtime_error("1 to 64 processes");
  void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error(std::string("mmap: ") + std::strerror(errno));
  auto* shared = new (memory) Shared(processes);
  std::vector<pid_t> children;
  for (int process = 0; process < processes; ++process) {
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        bind_to_core(process);
        shared->seconds[process] = work(process, shared->meeting);
        ::_exit(0);
      } catch (const std::exception& error) {
        std::fprintf(stderr, "process %d: %s\n", process, error.what());
        shared->meeting.fail();
        ::_exit(1);
      }
    }
    children.push_back(child);
  }
  bool good = true;
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    good = good && status == 0;
  }
  if (!good) throw std::runtime_error("a process failed");
  return {shared->seconds, shared->seconds + processes};
}

void keep_memory() {
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  ::mallopt(M_TOP_PAD, 64 << 20);
}

std::vector<at::Tensor> read_all(const job::Dataset& dataset) {
  const auto source = dataset::open_source(dataset);
  std::vector<at::Tensor> inputs;
  for (std::size_t i = 0; i < source->fields().size(); ++i) {
    const dataset::Field& field = source->fields()[i];
    std::vector<std::int64_t> shape{source->records()};
    shape.insert(shape.end(), field.shape.begin(), field.shape.end());
    at::Tensor stored = at::empty(shape, model::to_scalar_type(field.dtype));
    source->read(i, 0, source->records(), stored.data_ptr());
    inputs.push_back(stored);
  }
  return inputs;
}

}  // namespace shardmill::bench
