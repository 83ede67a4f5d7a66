// A new version of a model, on its way to the ranks: one tries it, then all others load it, and only when it is ready
// everywhere does it take over. Where it fails on the way, the old one stays. No MPI, no clock.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <vector>

namespace shardmill::serve {

class Rollout {
 public:
  // ranks: one at least; the first tries it.
  Rollout(std::size_t model, int version, std::vector<int> ranks)
      : model_(model), version_(version), first_(ranks.front()), others_(ranks.begin() + 1, ranks.end()) {}

  std::size_t model() const { return model_; }
  int version() const { return version_; }
  // Who is to load it first.
  int first() const { return first_; }

  // Each says who is to load it now.
  std::vector<int> loaded(int rank) {
    if (!ready_.insert(rank).second || tried_) return {};
    tried_ = true;
    return {others_.begin(), others_.end()};
  }
  void failed(const std::string& message) {
    if (failure_.empty()) failure_ = message;
  }
  // A rank that dies while it tries the model may have died of it, so that the others do not try.
  void lost(int rank) {
    if (rank == first_ && !tried_) failed("rank " + std::to_string(rank) + " died while it loaded it");
    ready_.erase(rank);
    others_.erase(rank);
    if (rank == first_) first_lost_ = true;
  }

  bool done() const {
    if (!tried_ || has_failed()) return false;
    for (const int rank : others_) {
      if (!ready_.contains(rank)) return false;
    }
    return !ready_.empty();
  }
  bool has_failed() const { return !failure_.empty() || (tried_ && first_lost_ && others_.empty()); }
  const std::string& failure() const { return failure_; }
  const std::set<int>& ready() const { return ready_; }

 private:
  std::size_t model_;
  int version_;
  int first_;
  std::set<int> others_;
  std::set<int> ready_;
  bool tried_ = false;
  bool first_lost_ = false;
  std::string failure_;
};

}  // namespace shardmill::serve
