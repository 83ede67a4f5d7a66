// Who coordinates, as a rank sees it, and whether it is still heard.
#pragma once

#include <chrono>

#include "comm/world.hpp"
#include "store/run_folder.hpp"

namespace shardmill::train {

// In the thread that does MPI.
class CoordinatorWatch {
 public:
  // rank_timeout: seconds of silence after which it counts as dead.
  CoordinatorWatch(const comm::World& world, double rank_timeout) : world_(world), rank_timeout_(rank_timeout) {}

  int rank() const { return rank_; }
  bool is_me() const { return rank_ == world_.rank(); }
  void heard() { heard_ = std::chrono::steady_clock::now(); }
  // It is dead: the lowest rank alive follows. All survivors come to the same one without a word. Throws RankLost if
  // the run had not begun.
  void pass_on(const store::RunFolder& run);
  // Often, on the others. One that is stopped or stuck says nothing, and MPI does not notice: the lowest rank behind it
  // ends it, if it is on the same host, and then all pass on as after any death. Throws RankLost if it is elsewhere.
  void look(const store::RunFolder& run);

 private:
  const comm::World& world_;
  const std::chrono::duration<double> rank_timeout_;
  int rank_ = 0;  // the lowest rank alive, as far as this one knows
  std::chrono::steady_clock::time_point heard_ = std::chrono::steady_clock::now();
};

}  // namespace shardmill::train
