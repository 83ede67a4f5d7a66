// Bulk data between ranks, point to point, that a death cannot wedge.
//
// A channel is a pool of communicators over all ranks, each used for one generation of the ranks that work together.
// When a rank dies, the generation's communicator is revoked: every transfer on it ends at once, on all ranks, and the
// survivors go on with the next one. So a recovery needs no shrink and no agreement, the two operations of ULFM that
// can take long or hang (docs/design.md), and nothing that was sent in one generation can be taken for another's.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "comm/transfer.hpp"
#include "comm/world.hpp"

namespace shardmill::comm {

// From the thread of the World only.
class DataChannel {
 public:
  // Collective over the World. `generations`: how many there can be.
  DataChannel(World& world, int generations);
  ~DataChannel();
  DataChannel(const DataChannel&) = delete;
  DataChannel& operator=(const DataChannel&) = delete;

  int generations() const;
  // Ends the transfers of the generation before. Local. 0 <= generation < generations(), ascending.
  void begin(int generation);
  // Ends all transfers under way here and, where MPI is fault tolerant, those that the other ranks have in this
  // generation. After it the buffers are the caller's again.
  void revoke();

  // Starts transfers of host memory; the buffers must stay until done(). Between two ranks they match in the order
  // of the calls. Returns false if a peer is dead or the generation is revoked.
  bool start(std::span<const Transfer> sends, std::span<const Transfer> receives);
  enum class State { under_way, done, failed };
  // Never blocks. done: everything started has come or gone. failed: a peer is dead or the generation is revoked.
  State test();

 private:
  struct Requests;

  World& world_;
  std::unique_ptr<Requests> requests_;
  int generation_ = -1;
};

}  // namespace shardmill::comm
