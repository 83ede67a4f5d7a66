#include "job/job.hpp"

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
         a.outputs == b.outputs && a.metrics == b.metrics && a.output == b.output &&
         a.fault_tolerance == b.fault_tolerance && a.resources == b.resources;
}

}  // namespace shardmill::job
