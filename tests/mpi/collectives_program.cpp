// Run under mpirun with any number of ranks: every rank checks what it got. Exit code 0, or 1 with a sentence; 77
// skipped.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "comm/collectives.hpp"
#include "job/error.hpp"

#ifdef SHARDMILL_WITH_CUDA
#include <cuda_runtime_api.h>
#endif

using shardmill::DType;
using shardmill::comm::Collectives;
using shardmill::comm::Transfer;
using shardmill::comm::World;

namespace {

void require(bool ok, const char* what) {
  if (!ok) throw shardmill::RankLost(std::string("wrong result of ") + what);
}

// A buffer where the collectives want it: host memory, or the GPU's.
class Buffer {
 public:
  Buffer(const void* content, std::size_t bytes, bool on_gpu) : bytes_(bytes), on_gpu_(on_gpu) {
    if (on_gpu_) {
#ifdef SHARDMILL_WITH_CUDA
      cudaMalloc(&data_, bytes);
      cudaMemcpy(data_, content, bytes, cudaMemcpyHostToDevice);
#endif
    } else {
      host_.assign(static_cast<const char*>(content), static_cast<const char*>(content) + bytes);
      data_ = host_.data();
    }
  }
  void* data() { return data_; }
  template <typename T>
  std::vector<T> read() {
    std::vector<T> values(bytes_ / sizeof(T));
    if (on_gpu_) {
#ifdef SHARDMILL_WITH_CUDA
      cudaMemcpy(values.data(), data_, bytes_, cudaMemcpyDeviceToHost);
#endif
    } else {
      std::memcpy(values.data(), data_, bytes_);
    }
    return values;
  }

 private:
  std::size_t bytes_;
  bool on_gpu_;
  void* data_ = nullptr;
  std::vector<char> host_;
};

void check(Collectives& collectives, const World& world, bool on_gpu) {
  const int n = world.size();
  const int me = world.rank();
  std::vector<float> values(1000);
  std::iota(values.begin(), values.end(), static_cast<float>(me));
  Buffer sum(values.data(), values.size() * sizeof(float), on_gpu);
  collectives.all_reduce_sum(sum.data(), values.size(), DType::float32);
  const auto summed = sum.read<float>();
  for (std::size_t i = 0; i < summed.size(); ++i) {
    require(summed[i] == static_cast<float>(static_cast<int>(i) * n + n * (n - 1) / 2), "all-reduce");
  }

  std::vector<std::int64_t> told{me == n - 1 ? 4711 : 0, me};
  Buffer news(told.data(), sizeof(std::int64_t) * 2, on_gpu);
  collectives.broadcast(news.data(), sizeof(std::int64_t), n - 1);
  require(news.read<std::int64_t>() == std::vector<std::int64_t>{4711, me}, "broadcast");

  const std::int32_t mine = me * me + 1;
  const std::vector<std::int32_t> nothing(static_cast<std::size_t>(n), -1);
  Buffer one(&mine, sizeof mine, on_gpu);
  Buffer all(nothing.data(), nothing.size() * sizeof(std::int32_t), on_gpu);
  collectives.all_gather(one.data(), sizeof mine, all.data());
  const auto gathered = all.read<std::int32_t>();
  for (int rank = 0; rank < n; ++rank)
    require(gathered[static_cast<std::size_t>(rank)] == rank * rank + 1, "all-gather");

  // Every rank sends to every other: the pattern of a slice exchange.
  std::vector<Transfer> sends;
  std::vector<Transfer> receives;
  std::vector<Buffer> out;
  std::vector<Buffer> in;
  out.reserve(static_cast<std::size_t>(n));
  in.reserve(static_cast<std::size_t>(n));
  for (int peer = 0; peer < n; ++peer) {
    const std::int32_t content = 1000 * me + peer;
    out.emplace_back(&content, sizeof content, on_gpu);
    in.emplace_back(&content, sizeof content, on_gpu);
    if (peer == me) continue;
    sends.push_back({peer, out.back().data(), sizeof content});
    receives.push_back({peer, in.back().data(), sizeof content});
  }
  collectives.exchange(sends, receives);
  for (int peer = 0; peer < n; ++peer) {
    if (peer != me) require(in[static_cast<std::size_t>(peer)].read<std::int32_t>()[0] == 1000 * peer + me, "exchange");
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bool on_gpu = argc > 1 && std::strcmp(argv[1], "nccl") == 0;
  World world;
  try {
#ifdef SHARDMILL_WITH_CUDA
    int gpus = 0;
    if (on_gpu && (cudaGetDeviceCount(&gpus) != cudaSuccess || gpus < world.size())) {
      if (world.rank() == 0) std::puts("skipped: NCCL needs a GPU a rank");
      world.leave(77, true);
    }
#else
    if (on_gpu) {
      if (world.rank() == 0) std::puts("skipped: this build is without CUDA");
      world.leave(77, true);
    }
#endif
    const auto collectives =
        on_gpu ? shardmill::comm::make_nccl_collectives(world, world.local_rank(), std::chrono::seconds(30))
               : shardmill::comm::make_mpi_collectives(world);
    check(*collectives, world, on_gpu);
  } catch (const shardmill::Error& error) {
    std::fprintf(stderr, "rank %d: %s\n", world.rank(), error.what());
    world.leave(1, false);
  }
  world.leave(0, true);
}
