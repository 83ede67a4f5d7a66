#include "comm/world.hpp"

#include <cstdio>

#include <unistd.h>

#include "comm/mpi_error.hpp"
#include "comm/placement.hpp"

namespace shardmill::comm {
MpiInfo mpi_info() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  MPI_Get_library_version(text, &length);
  MpiInfo info;
  info.library = std::string(text, static_cast<std::size_t>(length));
  info.library = info.library.substr(0, info.library.find_first_of(",\n"));
  info.built_with_ulfm = SHARDMILL_HAVE_ULFM != 0;
  return info;
}

World::World() : bell_(placement_from_environment().group, placement_from_environment().rank) {
  int provided = MPI_THREAD_SINGLE;
  check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
  if (provided < MPI_THREAD_FUNNELED) throw RankLost("MPI: this library does not support MPI_THREAD_FUNNELED");
  check_mpi(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
  local_rank_ = placement_from_environment().local_rank;
  dead_.assign(static_cast<std::size_t>(size_), false);
  // Open MPI sets this for the ranks of an mpirun with `--with-ft ulfm`.
  fault_tolerant_ = SHARDMILL_HAVE_ULFM != 0 && environment_number("OMPI_MCA_mpi_ft_enable", 0) != 0;
  char name[MPI_MAX_PROCESSOR_NAME] = "";
  int length = 0;
  MPI_Get_processor_name(name, &length);
  host_ = std::string(name, static_cast<std::size_t>(length));
}

World::~World() {
  if (!finalized_ && !any_dead_) MPI_Finalize();
}

std::vector<int> World::newly_dead() {
  std::vector<int> fresh;
#if SHARDMILL_HAVE_ULFM
  if (!fault_tolerant_) return fresh;
  MPI_Group failed = MPI_GROUP_EMPTY;
  if (MPIX_Comm_get_failed(MPI_COMM_WORLD, &failed) != MPI_SUCCESS) return fresh;
  int count = 0;
  MPI_Group_size(failed, &count);
  if (count > 0) {
    MPI_Group all = MPI_GROUP_NULL;
    MPI_Comm_group(MPI_COMM_WORLD, &all);
    std::vector<int> theirs(static_cast<std::size_t>(count));
    std::vector<int> ranks(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) theirs[static_cast<std::size_t>(i)] = i;
    MPI_Group_translate_ranks(failed, count, theirs.data(), all, ranks.data());
    MPI_Group_free(&all);
    for (const int rank : ranks) {
      if (dead_[static_cast<std::size_t>(rank)]) continue;
      dead_[static_cast<std::size_t>(rank)] = true;
      fresh.push_back(rank);
    }
    if (!fresh.empty()) {
      // Acknowledged, so that receives from any source work again.
      int acknowledged = 0;
      MPIX_Comm_ack_failed(MPI_COMM_WORLD, count, &acknowledged);
      any_dead_ = true;
    }
  }
  if (failed != MPI_GROUP_EMPTY && failed != MPI_GROUP_NULL) MPI_Group_free(&failed);
#endif
  return fresh;
}

void World::leave(int exit_code, bool clean) {
  if (clean && !any_dead_) {
    finalized_ = true;
    MPI_Finalize();
  }
  std::fflush(nullptr);
  _exit(exit_code);
}

}  // namespace shardmill::comm
