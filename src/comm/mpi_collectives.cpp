#include <vector>

#include "comm/collectives.hpp"
#include "comm/mpi_error.hpp"

namespace shardmill::comm {
namespace {

constexpr int exchange_tag = 72;
// MPI counts are ints; longer buffers go in pieces of this many bytes or elements.
constexpr std::size_t most_at_once = std::size_t{1} << 30;

MPI_Datatype mpi_type(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return MPI_FLOAT;
    case DType::float64:
      return MPI_DOUBLE;
    case DType::int32:
      return MPI_INT32_T;
    case DType::int64:
      return MPI_INT64_T;
    default:
      throw RankLost("MPI cannot sum " + std::string(name_of(dtype)) + "; use float32");
  }
}

class MpiCollectives : public Collectives {
 public:
  void broadcast(void* data, std::size_t bytes, int root) override {
    in_pieces(bytes, [&](std::size_t at, int count) {
      check_mpi(MPI_Bcast(static_cast<char*>(data) + at, count, MPI_BYTE, root, MPI_COMM_WORLD), "broadcast");
    });
  }
  void all_reduce_sum(void* data, std::size_t count, DType dtype) override {
    const MPI_Datatype type = mpi_type(dtype);
    in_pieces(count, [&](std::size_t at, int elements) {
      check_mpi(MPI_Allreduce(MPI_IN_PLACE, static_cast<char*>(data) + at * size_of(dtype), elements, type, MPI_SUM,
                              MPI_COMM_WORLD),
                "all-reduce");
    });
  }
  void all_gather(const void* mine, std::size_t bytes, void* all) override {
    if (bytes > most_at_once) throw RankLost("all-gather of more than 1 GiB a rank; cut it");
    const int count = static_cast<int>(bytes);
    check_mpi(MPI_Allgather(mine, count, MPI_BYTE, all, count, MPI_BYTE, MPI_COMM_WORLD), "all-gather");
  }
  void exchange(std::span<const Transfer> sends, std::span<const Transfer> receives) override {
    std::vector<MPI_Request> requests;
    for (const Transfer& receive : receives) {
      in_pieces(receive.bytes, [&](std::size_t at, int count) {
        check_mpi(MPI_Irecv(static_cast<char*>(receive.data) + at, count, MPI_BYTE, receive.peer, exchange_tag,
                            MPI_COMM_WORLD, &requests.emplace_back()),
                  "exchange");
      });
    }
    for (const Transfer& send : sends) {
      in_pieces(send.bytes, [&](std::size_t at, int count) {
        check_mpi(MPI_Isend(static_cast<char*>(send.data) + at, count, MPI_BYTE, send.peer, exchange_tag,
                            MPI_COMM_WORLD, &requests.emplace_back()),
                  "exchange");
      });
    }
    check_mpi(MPI_Waitall(static_cast<int>(requests.size()), requests.data(), MPI_STATUSES_IGNORE), "exchange");
  }

 private:
  template <typename Call>
  static void in_pieces(std::size_t total, const Call& call) {
    for (std::size_t at = 0; at < total; at += most_at_once) {
      call(at, static_cast<int>(std::min(most_at_once, total - at)));
    }
  }
};

}  // namespace

std::unique_ptr<Collectives> make_mpi_collectives(World&) { return std::make_unique<MpiCollectives>(); }

}  // namespace shardmill::comm
