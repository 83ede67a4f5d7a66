#include "comm/placement.hpp"

#include <cstdlib>
#include <initializer_list>

namespace shardmill::comm {
namespace {

int first_of(std::initializer_list<const char*> names, int otherwise) {
  for (const char* name : names) {
    if (std::getenv(name) != nullptr) return environment_number(name, otherwise);
  }
  return otherwise;
}

}  // namespace

int environment_number(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}

// Open MPI, PMIx, and Hydra (MPICH, Intel MPI).
Placement placement_from_environment() {
  Placement placement;
  placement.size = first_of({"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}, 0);
  placement.rank = first_of({"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"}, 0);
  placement.local_rank = first_of({"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID"}, 0);
  if (const char* name = std::getenv("PMIX_NAMESPACE")) placement.group = name;
  return placement;
}

}  // namespace shardmill::comm
