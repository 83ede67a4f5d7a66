#include "cli/allocation.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "cli/child.hpp"

namespace shardmill::cli {
namespace {

std::string environment(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? "" : text;
}

}  // namespace

std::optional<Allocation> allocation_from_environment() {
  Allocation allocation;
  allocation.job = environment("SLURM_JOB_ID");
  if (allocation.job.empty()) return std::nullopt;
  // Of a task of an array that is its own number, and, of one of them, that of the whole array too.
  if (const std::string array = environment("SLURM_ARRAY_JOB_ID"); !array.empty())
    allocation.job = array + "_" + environment("SLURM_ARRAY_TASK_ID");
  allocation.nodes = std::max(std::atoi(environment("SLURM_JOB_NUM_NODES").c_str()), 1);
  // "4(x2)", or "4(x2),3": the first is what most nodes have.
  allocation.ranks_per_node = std::max(std::atoi(environment("SLURM_TASKS_PER_NODE").c_str()), 1);
  return allocation;
}

void follow_allocation() {
  const auto before = allocation_from_environment();
  if (!before) return;
  const ChildOutput answer = call({"squeue", "--noheader", "--jobs=" + before->job, "--format=%D %N"});
  std::istringstream line(answer.out);
  int nodes = 0;
  std::string names;
  if (answer.code != 0 || !(line >> nodes >> names) || nodes < 1 || nodes == before->nodes) return;
  const std::string count = std::to_string(nodes);
  const std::string tasks = std::to_string(before->ranks_per_node) + (nodes > 1 ? "(x" + count + ")" : "");
  for (const char* name : {"SLURM_JOB_NODELIST", "SLURM_NODELIST"}) ::setenv(name, names.c_str(), 1);
  for (const char* name : {"SLURM_JOB_NUM_NODES", "SLURM_NNODES"}) ::setenv(name, count.c_str(), 1);
  for (const char* name : {"SLURM_TASKS_PER_NODE", "SLURM_JOB_CPUS_PER_NODE"}) ::setenv(name, tasks.c_str(), 1);
}

}  // namespace shardmill::cli
