#include "comm/collectives.hpp"
#include "job/error.hpp"

#ifdef SHARDMILL_WITH_CUDA

#include <string>
#include <thread>

#include <cuda_runtime_api.h>
#include <nccl.h>

#include "comm/mpi_error.hpp"
#include "comm/nccl_info.hpp"

namespace shardmill::comm {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::microseconds nap{50};

void check_cuda(cudaError_t code, const char* what) {
  if (code != cudaSuccess) throw RankLost(std::string("CUDA: ") + what + ": " + cudaGetErrorString(code));
}

ncclDataType_t nccl_type(DType dtype) {
  switch (dtype) {
    case DType::float16:
      return ncclFloat16;
    case DType::bfloat16:
      return ncclBfloat16;
    case DType::float32:
      return ncclFloat32;
    case DType::float64:
      return ncclFloat64;
    case DType::int32:
      return ncclInt32;
    case DType::int64:
      return ncclInt64;
    default:
      throw RankLost("NCCL cannot sum " + std::string(name_of(dtype)) + "; use float32");
  }
}

class NcclCollectives : public Collectives {
 public:
  NcclCollectives(World& world, int device, std::chrono::milliseconds deadline) : deadline_(deadline) {
    check_cuda(cudaSetDevice(device), "choosing the GPU");
    check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream");
    ncclUniqueId id;
    if (world.rank() == 0 && ncclGetUniqueId(&id) != ncclSuccess)
      throw RankLost("NCCL: cannot make a communicator's id");
    check_mpi(MPI_Bcast(&id, sizeof id, MPI_BYTE, 0, MPI_COMM_WORLD), "broadcasting NCCL's id");
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    settle(ncclCommInitRankConfig(&comm_, world.size(), id, world.rank(), &config), "coming together");
  }
  ~NcclCollectives() override {
    if (comm_ != nullptr) ncclCommAbort(comm_);
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
  }
  NcclCollectives(const NcclCollectives&) = delete;
  NcclCollectives& operator=(const NcclCollectives&) = delete;

  void broadcast(void* data, std::size_t bytes, int root) override {
    finish(ncclBroadcast(data, data, bytes, ncclUint8, root, comm_, stream_), "broadcast");
  }
  void all_reduce_sum(void* data, std::size_t count, DType dtype) override {
    finish(ncclAllReduce(data, data, count, nccl_type(dtype), ncclSum, comm_, stream_), "all-reduce");
  }
  void all_gather(const void* mine, std::size_t bytes, void* all) override {
    finish(ncclAllGather(mine, all, bytes, ncclUint8, comm_, stream_), "all-gather");
  }
  void exchange(std::span<const Transfer> sends, std::span<const Transfer> receives) override {
    ncclGroupStart();
    for (const Transfer& send : sends) ncclSend(send.data, send.bytes, ncclUint8, send.peer, comm_, stream_);
    for (const Transfer& receive : receives)
      ncclRecv(receive.data, receive.bytes, ncclUint8, receive.peer, comm_, stream_);
    finish(ncclGroupEnd(), "exchange");
  }

 private:
  // Waits until the call has been taken up, then until the GPU has carried it out.
  void finish(ncclResult_t result, const char* what) {
    const Clock::time_point end = Clock::now() + deadline_;
    settle(result, what);
    for (;;) {
      const cudaError_t state = cudaStreamQuery(stream_);
      if (state == cudaSuccess) return;
      if (state != cudaErrorNotReady) check_cuda(state, what);
      check_async(what, end);
    }
  }
  void settle(ncclResult_t result, const char* what) {
    const Clock::time_point end = Clock::now() + deadline_;
    while (result == ncclInProgress) result = check_async(what, end);
    if (result != ncclSuccess) fail(what, ncclGetErrorString(result));
  }
  ncclResult_t check_async(const char* what, Clock::time_point end) {
    ncclResult_t state = ncclSuccess;
    ncclCommGetAsyncError(comm_, &state);
    if (state != ncclSuccess && state != ncclInProgress) fail(what, ncclGetErrorString(state));
    if (Clock::now() > end) fail(what, "a rank did not take part in time");
    std::this_thread::sleep_for(nap);
    return state;
  }
  [[noreturn]] void fail(const std::string& what, const std::string& why) {
    // Aborting can hang by itself (nvidia/nccl#863), so it is tried on the side and never waited for.
    std::thread([comm = comm_] { ncclCommAbort(comm); }).detach();
    comm_ = nullptr;
    throw RankLost("NCCL: " + what + ": " + why);
  }

  std::chrono::milliseconds deadline_;
  ncclComm_t comm_ = nullptr;
  cudaStream_t stream_ = nullptr;
};

}  // namespace

std::unique_ptr<Collectives> make_nccl_collectives(World& world, int device, std::chrono::milliseconds deadline) {
  const NcclInfo info = nccl_info();
  if (info.compiled_version != info.loaded_version) {
    throw RankLost("NCCL " + info.loaded_version + " is loaded, but " + info.compiled_version +
                   " was compiled against; put LibTorch's own libnccl.so.2 first in LD_LIBRARY_PATH");
  }
  return std::make_unique<NcclCollectives>(world, device, deadline);
}

}  // namespace shardmill::comm

#else

namespace shardmill::comm {

std::unique_ptr<Collectives> make_nccl_collectives(World&, int, std::chrono::milliseconds) {
  throw RankLost("this build has no NCCL; configure with -DSHARDMILL_CUDA=ON");
}

}  // namespace shardmill::comm

#endif
