#include "sweep/check.hpp"

#include <algorithm>
#include <vector>

#include "infer/check.hpp"

namespace shardmill::sweep {
namespace {

bool read_the_same(const job::Job& a, const job::Job& b) {
  return a.model == b.model && a.dataset == b.dataset && a.train.targets == b.train.targets &&
         a.train.split == b.train.split;
}

}  // namespace

void check(const job::Job& job, job::Diagnostics& diagnostics) {
  std::vector<const job::Job*> looked_at;
  for (const job::Trial& trial : job.sweep.trials) {
    const bool known = std::any_of(looked_at.begin(), looked_at.end(),
                                   [&](const job::Job* other) { return read_the_same(*other, *trial.job); });
    if (known) continue;
    looked_at.push_back(trial.job.get());
    infer::check(*trial.job, diagnostics);
  }
}

}  // namespace shardmill::sweep
