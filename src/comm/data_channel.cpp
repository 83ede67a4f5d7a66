#include "comm/data_channel.hpp"

#include <algorithm>

#include "comm/mpi_error.hpp"

namespace shardmill::comm {
namespace {

constexpr int data_tag = 73;
// MPI counts are ints; longer buffers go in pieces.
constexpr std::size_t most_at_once = std::size_t{1} << 30;

}  // namespace

struct DataChannel::Requests {
  std::vector<MPI_Comm> pool;
  std::vector<MPI_Request> open;
  bool failed = false;

  template <typename Call>
  void in_pieces(const Transfer& transfer, const Call& call) {
    for (std::size_t at = 0; at < transfer.bytes && !failed; at += most_at_once) {
      MPI_Request request = MPI_REQUEST_NULL;
      const int code = call(static_cast<char*>(transfer.data) + at,
                            static_cast<int>(std::min(most_at_once, transfer.bytes - at)), transfer.peer, &request);
      if (request != MPI_REQUEST_NULL) open.push_back(request);
      if (is_process_failure(code)) {
        failed = true;
      } else {
        check_mpi(code, "a transfer");
      }
    }
  }
};

DataChannel::DataChannel(World& world, int generations) : world_(world), requests_(std::make_unique<Requests>()) {
  requests_->pool.assign(static_cast<std::size_t>(generations), MPI_COMM_NULL);
  for (MPI_Comm& comm : requests_->pool) {
    check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &comm), "MPI_Comm_dup");
    MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
  }
}

// Communicators with dead ranks cannot be freed, which is collective; the process is about to end.
DataChannel::~DataChannel() {
  if (world_.any_dead()) return;
  for (MPI_Comm& comm : requests_->pool) {
    if (comm != MPI_COMM_NULL) MPI_Comm_free(&comm);
  }
}

int DataChannel::generations() const { return static_cast<int>(requests_->pool.size()); }

void DataChannel::begin(int generation) {
  SHARDMILL_CHECK(generation > generation_ && generation < generations(), "generations ascend within the pool");
  if (generation_ >= 0) revoke();
  generation_ = generation;
  requests_->failed = false;
}

void DataChannel::revoke() {
  if (generation_ < 0 || (requests_->failed && requests_->open.empty())) return;
  requests_->failed = true;
#if SHARDMILL_HAVE_ULFM
  if (world_.fault_tolerant()) {
    MPIX_Comm_revoke(requests_->pool[static_cast<std::size_t>(generation_)]);
    for (MPI_Request& request : requests_->open) MPI_Wait(&request, MPI_STATUS_IGNORE);
  }
#endif
  requests_->open.clear();
}

bool DataChannel::start(std::span<const Transfer> sends, std::span<const Transfer> receives) {
  const MPI_Comm comm = requests_->pool[static_cast<std::size_t>(generation_)];
  for (const Transfer& transfer : receives) {
    requests_->in_pieces(transfer, [&](char* data, int count, int peer, MPI_Request* request) {
      return MPI_Irecv(data, count, MPI_BYTE, peer, data_tag, comm, request);
    });
  }
  for (const Transfer& transfer : sends) {
    requests_->in_pieces(transfer, [&](char* data, int count, int peer, MPI_Request* request) {
      return MPI_Isend(data, count, MPI_BYTE, peer, data_tag, comm, request);
    });
  }
  return !requests_->failed;
}

DataChannel::State DataChannel::test() {
  std::vector<MPI_Request>& open = requests_->open;
  // One by one from the back: MPI_Testall says nothing about which of them failed, and completes none until all have.
  while (!requests_->failed && !open.empty()) {
    int complete = 0;
    const int code = MPI_Test(&open.back(), &complete, MPI_STATUS_IGNORE);
    if (is_process_failure(code)) {
      requests_->failed = true;
    } else {
      check_mpi(code, "a transfer");
      if (complete == 0) break;
      open.pop_back();
    }
  }
  return requests_->failed ? State::failed : open.empty() ? State::done : State::under_way;
}

}  // namespace shardmill::comm
