// MPI as an object: started once, ended once, errors as exceptions.
//
// Fault tolerance (ULFM) is there if MPI was built with it and mpirun was started with `--with-ft ulfm`. Without it a
// death ends the whole mpirun, and the run is resumed from its journal.
#pragma once

#include <string>
#include <vector>

#include "comm/bell.hpp"

namespace shardmill::comm {

struct MpiInfo {
  std::string library;  // "Open MPI v5.0.11"
  bool built_with_ulfm = false;
};
// Needs no MPI_Init.
MpiInfo mpi_info();

// Collective: every rank of the mpirun makes exactly one. All calls from the thread that made it (MPI_THREAD_FUNNELED).
class World {
 public:
  World();  // Throws RankLost if MPI does not start.
  // Finalizes if no rank has died; see leave().
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  int local_rank() const { return local_rank_; }
  bool fault_tolerant() const { return fault_tolerant_; }
  const std::string& host() const { return host_; }
  // Whoever sends to another rank of this World rings it afterwards.
  Bell& bell() { return bell_; }

  // Ranks found dead since the last call. Local, takes microseconds. Always empty without fault tolerance.
  std::vector<int> newly_dead();
  bool is_dead(int rank) const { return dead_[static_cast<std::size_t>(rank)]; }
  bool any_dead() const { return any_dead_; }

  // Ends the process. MPI_Finalize only after a clean run: after a failure it can hang (open-mpi/ompi#11404), so the
  // process leaves by _exit, and the operating system closes what is open.
  [[noreturn]] void leave(int exit_code, bool clean);

 private:
  Bell bell_;
  int rank_ = 0;
  int size_ = 1;
  int local_rank_ = 0;
  bool fault_tolerant_ = false;
  bool any_dead_ = false;
  bool finalized_ = false;
  std::string host_;
  std::vector<bool> dead_;
};

}  // namespace shardmill::comm
