// Control messages over MPI, point to point. Never blocks, never waits for a dead rank; one that stops in the middle of
// a long message keeps nobody else's from being received.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <map>
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
  // Messages of one lane never wait for those of the other. Bulk is for long ones.
  enum class Lane { control, bulk };
  explicit ControlChannel(World& world, Lane lane = Lane::control);
  ~ControlChannel();
  ControlChannel(const ControlChannel&) = delete;
  ControlChannel& operator=(const ControlChannel&) = delete;

  // Takes the message and returns at once. To a dead rank: dropped. Messages between two ranks arrive in order.
  // To itself: delivered by the next poll(). Rings the receiver's bell.
  void send(int to, const Message& message);
  // From hold() on, what is sent is gathered; release() sends each rank's share of it as one. With thousands of short
  // messages a second, what each costs by itself is most of their cost.
  void hold() { held_ = true; }
  void release();
  // All that has come since the last call. Throws RankLost on an MPI error that is not a rank's death.
  std::vector<Received> poll();
  // Bytes that are on their way out to the ranks that count.
  std::size_t under_way(const std::function<bool(int)>& counts) const;
  // True once everything sent has left this process, or its receiver is dead. Releases what is held.
  bool flushed();
  // A message is on its way in or out that needs poll() to be called again soon.
  bool moving() const { return !incoming_.empty() || !pending_.empty(); }

 private:
  struct Pending;
  void post(int to, std::vector<std::byte> bytes);
  void retire_sent();
  bool begin_receive();
  void end_receives(std::vector<Received>& received);

  World& world_;
  int tag_;
  std::deque<std::unique_ptr<Pending>> pending_;
  bool held_ = false;
  std::map<int, std::vector<std::byte>> gathered_;  // by receiver
  std::deque<Received> to_self_;
  std::list<std::unique_ptr<Pending>> incoming_;  // being received; of each rank in order
};

}  // namespace shardmill::comm
