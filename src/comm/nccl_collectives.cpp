#include "comm/nccl_collectives.hpp"

#include "job/error.hpp"

#ifdef SHARDMILL_WITH_CUDA

#include <algorithm>
#include <cstdlib>
#include <future>
#include <thread>
#include <utility>

#include <cuda_runtime_api.h>
#include <nccl.h>

#include "comm/nccl_info.hpp"

namespace shardmill::comm {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::microseconds nap{20};
constexpr std::chrono::seconds abort_patience{10};  // aborting can hang by itself (nvidia/nccl#863, #1013)

static_assert(sizeof(ncclUniqueId) == sizeof(NcclId));

void check_cuda(cudaError_t code, const char* what) {
  if (code != cudaSuccess) throw RankLost(std::string("CUDA: ") + what + ": " + cudaGetErrorString(code));
}

class NcclCollectives : public Collectives {
 public:
  explicit NcclCollectives(const NcclGroup& group) : group_(group) {
    check_cuda(cudaSetDevice(group_.device), "choosing the GPU");
    cudaStream_t stream = nullptr;
    check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
    stream_.reset(stream);
    ncclUniqueId id;
    std::copy(group_.id.begin(), group_.id.end(), id.internal);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    const auto size = static_cast<int>(group_.ranks.size());
    settle(ncclCommInitRankConfig(&comm_, size, id, group_.me, &config), "coming together");
  }
  ~NcclCollectives() override {
    // No call is under way, and the others may be gone: nothing is flushed, nobody waited for.
    if (comm_ != nullptr) abort();
  }
  NcclCollectives(const NcclCollectives&) = delete;
  NcclCollectives& operator=(const NcclCollectives&) = delete;

  std::string name() const override { return "NCCL " + nccl_info().loaded_version; }

  void exchange(std::span<const Transfer> sends, std::span<const Transfer> receives) override {
    if (sends.empty() && receives.empty()) return;
    ready();
    ncclGroupStart();
    for (const Transfer& send : sends)
      ncclSend(send.data, send.bytes, ncclUint8, index_of(send.peer), comm_, stream_.get());
    for (const Transfer& receive : receives)
      ncclRecv(receive.data, receive.bytes, ncclUint8, index_of(receive.peer), comm_, stream_.get());
    finish(ncclGroupEnd(), "exchange");
  }
  void all_reduce_sum(float* data, std::size_t count) override {
    ready();
    finish(ncclAllReduce(data, data, count, ncclFloat32, ncclSum, comm_, stream_.get()), "all-reduce");
  }
  bool can_reduce() const override { return true; }

 private:
  int index_of(int rank) const {
    const auto found = std::find(group_.ranks.begin(), group_.ranks.end(), rank);
    SHARDMILL_CHECK(found != group_.ranks.end(), "a transfer with a rank outside of the group");
    return static_cast<int>(found - group_.ranks.begin());
  }
  // What other streams are doing to the buffers is done.
  void ready() { check_cuda(cudaDeviceSynchronize(), "computing"); }
  // Waits until the call has been taken up, then until the GPU has carried it out.
  void finish(ncclResult_t result, const char* what) {
    const Clock::time_point end = Clock::now() + group_.deadline;
    settle(result, what);
    for (;;) {
      const cudaError_t state = cudaStreamQuery(stream_.get());
      if (state == cudaSuccess) return;
      if (state != cudaErrorNotReady) check_cuda(state, what);
      check_async(what, end);
    }
  }
  void settle(ncclResult_t result, const char* what) {
    const Clock::time_point end = Clock::now() + group_.deadline;
    while (result == ncclInProgress) result = check_async(what, end);
    if (result != ncclSuccess) fail(what, ncclGetErrorString(result));
  }
  ncclResult_t check_async(const char* what, Clock::time_point end) {
    ncclResult_t state = ncclSuccess;
    ncclCommGetAsyncError(comm_, &state);
    if (state != ncclSuccess && state != ncclInProgress) fail(what, ncclGetErrorString(state));
    if (group_.is_lost()) fail(what, "a rank is lost");
    if (Clock::now() > end) fail(what, "a rank did not take part in time");
    std::this_thread::sleep_for(nap);
    return state;
  }
  [[noreturn]] void fail(const std::string& what, const std::string& why) {
    abort();
    throw RankLost("NCCL: " + what + ": " + why);
  }
  void abort() {
    std::packaged_task<void()> task([comm = std::exchange(comm_, nullptr), device = group_.device] {
      cudaSetDevice(device);
      ncclCommAbort(comm);
    });
    std::future<void> done = task.get_future();
    std::thread(std::move(task)).detach();
    if (done.wait_for(abort_patience) != std::future_status::ready) group_.on_stuck();
  }

  NcclGroup group_;
  ncclComm_t comm_ = nullptr;
  struct DestroyStream {
    void operator()(cudaStream_t stream) const { cudaStreamDestroy(stream); }
  };
  std::unique_ptr<CUstream_st, DestroyStream> stream_;
};

}  // namespace

std::string nccl_place(int device) {
  const NcclInfo info = nccl_info();
  char bus[32] = {};
  if (info.compiled_version != info.loaded_version || cudaDeviceGetPCIBusId(bus, sizeof bus, device) != cudaSuccess)
    return {};
  cudaDeviceProp properties;
  if (cudaGetDeviceProperties(&properties, device) != cudaSuccess) return {};
  // The bus is of the host, and the host is what NCCL_HOSTID says, if it is set.
  const char* host = std::getenv("NCCL_HOSTID");
  return std::string(host == nullptr ? "" : host) + "/" + bus + "/" +
         std::string(properties.uuid.bytes, sizeof properties.uuid.bytes);
}

NcclId make_nccl_id() {
  ncclUniqueId made;
  if (const ncclResult_t result = ncclGetUniqueId(&made); result != ncclSuccess)
    throw RankLost(std::string("NCCL: making a communicator's id: ") + ncclGetErrorString(result));
  NcclId id;
  std::copy(std::begin(made.internal), std::end(made.internal), id.begin());
  return id;
}

std::unique_ptr<Collectives> make_nccl_collectives(const NcclGroup& group) {
  return std::make_unique<NcclCollectives>(group);
}

}  // namespace shardmill::comm

#else

namespace shardmill::comm {

std::string nccl_place(int) { return {}; }
NcclId make_nccl_id() { throw RankLost("this build has no NCCL; configure with -DSHARDMILL_CUDA=ON"); }
std::unique_ptr<Collectives> make_nccl_collectives(const NcclGroup&) {
  throw RankLost("this build has no NCCL; configure with -DSHARDMILL_CUDA=ON");
}

}  // namespace shardmill::comm

#endif
