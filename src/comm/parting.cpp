#include "comm/parting.hpp"

#include <thread>

namespace shardmill::comm {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::microseconds nap{100};
constexpr std::chrono::seconds farewell{5};  // for the last messages to leave

// None while somebody is waited for; else whether all can leave by MPI_Finalize.
std::optional<bool> all_have_answered(const Parting& parting, const std::map<int, bool>& byes, bool too_late) {
  bool clean = !parting.world.any_dead();
  for (int rank = 0; rank < parting.world.size(); ++rank) {
    if (parting.is_gone && parting.is_gone(rank)) clean = false;
    if (parting.world.is_dead(rank) || (parting.is_gone && parting.is_gone(rank))) continue;
    const auto bye = byes.find(rank);
    if (bye == byes.end() && !too_late) return std::nullopt;
    if (bye == byes.end() && parting.kill) parting.kill(rank);
    clean = clean && bye != byes.end() && bye->second;
  }
  return clean;
}

}  // namespace

bool part(const Parting& parting) {
  const bool leads = parting.world.rank() == parting.coordinator;
  const auto deadline = Clock::now() + parting.patience;
  // An mpirun without fault tolerance takes a rank that leaves without MPI_Finalize for a dead one, and fails: a thread
  // that is about to end is waited for there.
  const auto busy_until = parting.world.fault_tolerant() ? Clock::now() : Clock::now() + parting.patience / 2;
  std::map<int, bool> byes = parting.byes;
  bool said = false;
  for (bool told = false;;) {
    if (!said) {
      const bool idle = parting.idle();
      said = idle || Clock::now() >= busy_until;
      if (said) parting.channel.send(parting.coordinator, Bye{static_cast<std::uint8_t>(idle ? 1 : 0)});
    }
    for (const Received& received : parting.channel.poll()) {
      if (const auto* bye = std::get_if<Bye>(&received.message)) byes[received.from] = bye->idle != 0;
      if (const auto* leave = std::get_if<Leave>(&received.message)) return leave->clean != 0;
    }
    for (const int rank : parting.world.newly_dead()) {
      if (rank == parting.coordinator) return false;
    }
    if (leads && !told) {
      if (const auto clean = all_have_answered(parting, byes, Clock::now() > deadline)) {
        told = true;
        if (parting.last) parting.last();
        for (int rank = 0; rank < parting.world.size(); ++rank)
          parting.channel.send(rank, Leave{static_cast<std::uint8_t>(*clean ? 1 : 0)});
      }
    }
    if (!leads && Clock::now() > deadline + parting.patience) return false;
    std::this_thread::sleep_for(nap);
  }
}

void flush(World& world, ControlChannel& channel) {
  const auto deadline = Clock::now() + farewell;
  while (!channel.flushed() && Clock::now() < deadline) {
    static_cast<void>(channel.poll());
    static_cast<void>(world.newly_dead());
    std::this_thread::sleep_for(nap);
  }
}

void dismiss(World& world, ControlChannel& channel, ExitCode code) {
  for (int rank = 0; rank < world.size(); ++rank) {
    if (rank != world.rank()) channel.send(rank, End{to_int(code)});
  }
  flush(world, channel);
}

}  // namespace shardmill::comm
