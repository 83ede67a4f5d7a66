#include "comm/control_channel.hpp"

#include <algorithm>
#include <set>

#include "comm/mpi_error.hpp"

namespace shardmill::comm {
namespace {
constexpr int control_tag = 71;
constexpr int bulk_tag = 72;
constexpr std::size_t most_gathered = 64U << 10U;  // bytes for a rank, which then go
}  // namespace

struct ControlChannel::Pending {
  std::vector<std::byte> bytes;
  MPI_Request request = MPI_REQUEST_NULL;
  int peer = 0;
};

ControlChannel::ControlChannel(World& world, Lane lane)
    : world_(world), tag_(lane == Lane::bulk ? bulk_tag : control_tag) {}

// What is still under way at the end belongs to dead or leaving ranks: the requests are MPI's to forget, but their
// buffers must outlive them.
ControlChannel::~ControlChannel() {
  for (auto& pending : pending_) static_cast<void>(pending.release());
  for (auto& incoming : incoming_) static_cast<void>(incoming.release());
}

void ControlChannel::send(int to, const Message& message) {
  if (to == world_.rank()) {
    to_self_.push_back({to, message});
    return;
  }
  std::vector<std::byte>& bytes = gathered_[to];
  encode(message, bytes);
  if (!held_ || bytes.size() > most_gathered) {
    post(to, std::exchange(bytes, {}));
    gathered_.erase(to);
  }
}

void ControlChannel::release() {
  held_ = false;
  for (auto& [to, bytes] : std::exchange(gathered_, {})) post(to, std::move(bytes));
}

void ControlChannel::post(int to, std::vector<std::byte> bytes) {
  if (world_.is_dead(to)) return;
  auto pending = std::make_unique<Pending>();
  pending->bytes = std::move(bytes);
  pending->peer = to;
  const int code = MPI_Isend(pending->bytes.data(), static_cast<int>(pending->bytes.size()), MPI_BYTE, to, tag_,
                             MPI_COMM_WORLD, &pending->request);
  if (is_process_failure(code)) return;
  check_mpi(code, "sending a control message");
  world_.bell().ring(to);
  int complete = 0;
  if (MPI_Test(&pending->request, &complete, MPI_STATUS_IGNORE) == MPI_SUCCESS && complete == 0)
    pending_.push_back(std::move(pending));
}

void ControlChannel::retire_sent() {
  std::erase_if(pending_, [](const std::unique_ptr<Pending>& pending) {
    int complete = 0;
    const int code = MPI_Test(&pending->request, &complete, MPI_STATUS_IGNORE);
    return complete != 0 || code != MPI_SUCCESS;
  });
}

std::size_t ControlChannel::under_way(const std::function<bool(int)>& counts) const {
  std::size_t bytes = 0;
  for (const auto& pending : pending_) bytes += counts(pending->peer) ? pending->bytes.size() : 0;
  return bytes;
}

bool ControlChannel::flushed() {
  release();
  retire_sent();
  return std::all_of(pending_.begin(), pending_.end(),
                     [this](const std::unique_ptr<Pending>& pending) { return world_.is_dead(pending->peer); });
}

std::vector<Received> ControlChannel::poll() {
  std::vector<Received> received(std::make_move_iterator(to_self_.begin()), std::make_move_iterator(to_self_.end()));
  to_self_.clear();
  if (!pending_.empty()) retire_sent();
  while (begin_receive()) end_receives(received);
  end_receives(received);
  return received;
}

// True if a message has come, and is being received. Never by MPI_Recv: what MPI_Iprobe has seen of a rank on another
// node can be gone when that rank has died, and MPI_Recv then waited for ever in about one death of five.
bool ControlChannel::begin_receive() {
  int found = 0;
  MPI_Status status;
  int code = MPI_Iprobe(MPI_ANY_SOURCE, tag_, MPI_COMM_WORLD, &found, &status);
  if (is_process_failure(code)) return false;  // World::newly_dead acknowledges it; what others sent comes next time
  check_mpi(code, "looking for control messages");
  if (found == 0) return false;
  int size = 0;
  MPI_Get_count(&status, MPI_BYTE, &size);
  auto incoming = std::make_unique<Pending>();
  incoming->bytes.resize(static_cast<std::size_t>(size));
  incoming->peer = status.MPI_SOURCE;
  code = MPI_Irecv(incoming->bytes.data(), size, MPI_BYTE, incoming->peer, tag_, MPI_COMM_WORLD, &incoming->request);
  if (is_process_failure(code)) return true;  // gone with its sender: the next one
  check_mpi(code, "receiving a control message");
  incoming_.push_back(std::move(incoming));
  return true;
}

// Hands over what has come whole. A message waits for those that the same rank has sent before it.
void ControlChannel::end_receives(std::vector<Received>& received) {
  std::set<int> waiting;
  for (auto at = incoming_.begin(); at != incoming_.end();) {
    const std::unique_ptr<Pending>& incoming = *at;
    if (waiting.contains(incoming->peer)) {
      ++at;
      continue;
    }
    int complete = 0;
    const int code = MPI_Test(&incoming->request, &complete, MPI_STATUS_IGNORE);
    if (code == MPI_SUCCESS && complete == 0) {
      if (world_.is_dead(incoming->peer)) {
        static_cast<void>(at->release());  // lost with its sender; the request is MPI's to forget
        at = incoming_.erase(at);
      } else {
        waiting.insert(incoming->peer);
        ++at;
      }
      continue;
    }
    if (!is_process_failure(code)) {  // or it died in the middle of a long message
      check_mpi(code, "receiving a control message");
      for (Message& message : decode(incoming->bytes.data(), incoming->bytes.size())) {
        received.push_back({incoming->peer, std::move(message)});
      }
    }
    at = incoming_.erase(at);
  }
}

}  // namespace shardmill::comm
