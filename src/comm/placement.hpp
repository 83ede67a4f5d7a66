// What a process knows of its place in an mpirun without MPI itself: from the launcher's environment.
#pragma once

namespace shardmill::comm {

struct Placement {
  int rank = 0;
  int size = 0;  // 0: not under a launcher
  int local_rank = 0;
};
Placement placement_from_environment();

int environment_number(const char* name, int otherwise);

}  // namespace shardmill::comm
