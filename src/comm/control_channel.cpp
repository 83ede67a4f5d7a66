#include "comm/control_channel.hpp"

#include <algorithm>

#include "comm/mpi_error.hpp"

namespace shardmill::comm {
namespace {
constexpr int control_tag = 71;
}

struct ControlChannel::Pending {
  std::vector<std::byte> bytes;
  MPI_Request request = MPI_REQUEST_NULL;
  int to = 0;
};

ControlChannel::ControlChannel(World& world) : world_(world) {}

// What is still under way at the end belongs to dead or leaving ranks: the requests are MPI's to forget, but their
// buffers must outlive them.
ControlChannel::~ControlChannel() {
  for (auto& pending : pending_) static_cast<void>(pending.release());
}

void ControlChannel::send(int to, const Message& message) {
  if (to == world_.rank()) {
    to_self_.push_back({to, message});
    return;
  }
  if (world_.is_dead(to)) return;
  auto pending = std::make_unique<Pending>();
  pending->bytes = encode(message);
  pending->to = to;
  const int code = MPI_Isend(pending->bytes.data(), static_cast<int>(pending->bytes.size()), MPI_BYTE, to, control_tag,
                             MPI_COMM_WORLD, &pending->request);
  if (is_process_failure(code)) return;
  check_mpi(code, "sending a control message");
  pending_.push_back(std::move(pending));
}

void ControlChannel::retire_sent() {
  std::erase_if(pending_, [](const std::unique_ptr<Pending>& pending) {
    int complete = 0;
    const int code = MPI_Test(&pending->request, &complete, MPI_STATUS_IGNORE);
    return complete != 0 || code != MPI_SUCCESS;
  });
}

bool ControlChannel::flushed() {
  retire_sent();
  return std::all_of(pending_.begin(), pending_.end(),
                     [this](const std::unique_ptr<Pending>& pending) { return world_.is_dead(pending->to); });
}

std::vector<Received> ControlChannel::poll() {
  std::vector<Received> received(std::make_move_iterator(to_self_.begin()), std::make_move_iterator(to_self_.end()));
  to_self_.clear();
  if (!pending_.empty()) retire_sent();
  for (;;) {
    int found = 0;
    MPI_Status status;
    int code = MPI_Iprobe(MPI_ANY_SOURCE, control_tag, MPI_COMM_WORLD, &found, &status);
    if (is_process_failure(code)) break;  // World::newly_dead acknowledges it; what others sent comes next time
    check_mpi(code, "looking for control messages");
    if (found == 0) break;
    int size = 0;
    MPI_Get_count(&status, MPI_BYTE, &size);
    buffer_.resize(static_cast<std::size_t>(size));
    code = MPI_Recv(buffer_.data(), size, MPI_BYTE, status.MPI_SOURCE, control_tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    if (is_process_failure(code)) continue;  // it died in the middle of a long message
    check_mpi(code, "receiving a control message");
    received.push_back({status.MPI_SOURCE, decode(buffer_.data(), buffer_.size())});
  }
  return received;
}

}  // namespace shardmill::comm
