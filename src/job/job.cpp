#include "job/job.hpp"

#include <cmath>

namespace shardmill::job {

Location Job::where(const std::string& key) const {
  std::string enclosing = key;
  while (true) {
    if (const auto found = locations.find(enclosing); found != locations.end()) return found->second;
    if (enclosing.empty()) return {};
    const std::size_t cut = enclosing.find_last_of(".[");
    enclosing.resize(cut == std::string::npos ? 0 : cut);
  }
}

bool operator==(const Job& a, const Job& b) {
  return a.kind == b.kind && a.name == b.name && a.project == b.project && a.model == b.model &&
         a.dataset == b.dataset && a.batch_size == b.batch_size && a.shard_size == b.shard_size &&
         a.batch_by == b.batch_by && a.tune == b.tune && a.length_from == b.length_from && a.outputs == b.outputs &&
         a.metrics == b.metrics && a.output == b.output && a.data_path == b.data_path && a.part == b.part &&
         a.fault_tolerance == b.fault_tolerance && a.resources == b.resources && a.slurm == b.slurm &&
         a.faults == b.faults && a.train == b.train && a.serve == b.serve && a.sweep == b.sweep;
}

int ranks_needed(const Serve& serve) {
  int needed = 0;
  bool any_shares = false;
  for (const ServedModel& served : serve.models) {
    needed += served.ranks.value_or(0);
    any_shares |= !served.ranks;
  }
  return needed + (any_shares ? 1 : 0);
}

std::int64_t RecordLimit::of(std::int64_t all) const {
  // 1 % of 700 is 7, whatever the last bit of the product says.
  return percent ? static_cast<std::int64_t>(std::floor(*percent * static_cast<double>(all) / 100 * (1 + 1e-12)))
                 : records;
}

}  // namespace shardmill::job
