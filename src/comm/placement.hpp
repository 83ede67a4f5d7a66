// What a process knows of its place in an mpirun without MPI itself: from the launcher's environment.
#pragma once

#include <string>

namespace shardmill::comm {

struct Placement {
  int rank = 0;
  int size = 0;  // 0: not under a launcher
  int local_rank = 0;
  std::string group;  // of the whole mpirun, unlike that of any other at the time; "": not known
};
Placement placement_from_environment();

int environment_number(const char* name, int otherwise);

}  // namespace shardmill::comm
