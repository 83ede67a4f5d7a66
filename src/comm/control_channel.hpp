// Control messages over MPI, point to point. Never blocks, never waits for a dead rank.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "comm/messages.hpp"
#include "comm/world.hpp"

namespace shardmill::comm {

struct Received {
  int from = 0;
  Message message;
};

// From the thread of the World only.
class ControlChannel {
 public:
  explicit ControlChannel(World& world);
  ~ControlChannel();
  ControlChannel(const ControlChannel&) = delete;
  ControlChannel& operator=(const ControlChannel&) = delete;

  // Takes the message and returns at once. To a dead rank: dropped. Messages between two ranks arrive in order.
  // To itself: delivered by the next poll().
  void send(int to, const Message& message);
  // All that has come since the last call. Throws RankLost on an MPI error that is not a rank's death.
  std::vector<Received> poll();
  // True once everything sent has left this process, or its receiver is dead.
  bool flushed();

 private:
  struct Pending;
  void retire_sent();

  World& world_;
  std::deque<std::unique_ptr<Pending>> pending_;
  std::deque<Received> to_self_;
  std::vector<std::byte> buffer_;
};

}  // namespace shardmill::comm
