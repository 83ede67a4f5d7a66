// How the ranks of a run that is over leave together: MPI_Finalize waits for everybody, and one that is stopped or
// stuck would keep the others from leaving.
//
//   every rank: Bye -> coordinator: Leave to all, once all have said Bye or are out of time
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>

#include "comm/control_channel.hpp"
#include "comm/world.hpp"
#include "job/exit_codes.hpp"

namespace shardmill::comm {

struct Parting {
  World& world;
  ControlChannel& channel;
  int coordinator = 0;
  std::function<bool()> idle;                  // no thread of this rank is in the model any more
  std::chrono::duration<double> patience{10};  // for the others
  std::function<void(int)> kill;               // a rank that does not answer; on the coordinator only
  std::function<bool(int)> is_gone;            // more ranks that nobody waits for
  std::map<int, bool> byes;                    // rank -> idle: those that have come before
  // On the coordinator, when it is known who has to be killed, and before anybody leaves: a rank that leaves with an
  // exit code of its own may make mpirun end the others.
  std::function<void()> last;
};

// Collective over the ranks that are left; from the thread of the World. True if all can leave by MPI_Finalize: nobody
// is dead, stopped or still busy.
bool part(const Parting& parting);

// Until all that was sent has left this process, for 5 s at most. From the thread of the World.
void flush(World& world, ControlChannel& channel);
// Tells all others that the run is over, as far as they can hear it.
void dismiss(World& world, ControlChannel& channel, ExitCode code);

}  // namespace shardmill::comm
