// Run under mpirun with any number of ranks: NCCL brings vectors together, a rank that is lost holds up nobody, and the
// others go on in a new group. Exit code 0, or 1 with a sentence; 77 skipped.
//
// More ranks than GPUs share them: NCCL refuses that on one host, so each says that it is a host of its own, and they
// talk over sockets.
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "comm/data_channel.hpp"
#include "comm/nccl_collectives.hpp"
#include "comm/world.hpp"
#include "job/error.hpp"

#ifdef SHARDMILL_WITH_CUDA
#include <cuda_runtime_api.h>

using shardmill::RankLost;
using shardmill::comm::Collectives;
using shardmill::comm::DataChannel;
using shardmill::comm::NcclGroup;
using shardmill::comm::Transfer;
using shardmill::comm::World;
using Clock = std::chrono::steady_clock;

namespace {

void require(bool ok, const std::string& what) {
  if (!ok) throw RankLost("wrong: " + what);
}

class OnGpu {
 public:
  explicit OnGpu(const std::vector<float>& content) : bytes_(content.size() * sizeof(float)) {
    require(cudaMalloc(&data_, bytes_) == cudaSuccess, "no memory on the GPU");
    cudaMemcpy(data_, content.data(), bytes_, cudaMemcpyHostToDevice);
  }
  float* data() { return static_cast<float*>(data_); }
  std::vector<float> read() const {
    std::vector<float> values(bytes_ / sizeof(float));
    cudaMemcpy(values.data(), data_, bytes_, cudaMemcpyDeviceToHost);
    return values;
  }

 private:
  std::size_t bytes_;
  void* data_ = nullptr;
};

// One id for the group's ranks, from the first of them.
void share_id(NcclGroup& group, DataChannel& channel) {
  std::vector<Transfer> sends;
  std::vector<Transfer> receives;
  if (group.me == 0) {
    group.id = shardmill::comm::make_nccl_id();
    for (std::size_t i = 1; i < group.ranks.size(); ++i)
      sends.push_back({group.ranks[i], group.id.data(), group.id.size()});
  } else {
    receives.push_back({group.ranks.front(), group.id.data(), group.id.size()});
  }
  require(channel.start(sends, receives), "starting to share the id");
  while (channel.test() == DataChannel::State::under_way) std::this_thread::yield();
}

void check(Collectives& nccl, const NcclGroup& group) {
  const auto n = group.ranks.size();
  const int me = group.ranks[static_cast<std::size_t>(group.me)];
  std::vector<float> values(100'000);
  std::iota(values.begin(), values.end(), static_cast<float>(me));
  OnGpu sum(values);
  nccl.all_reduce_sum(sum.data(), values.size());
  const float all = static_cast<float>(std::accumulate(group.ranks.begin(), group.ranks.end(), 0));
  const auto summed = sum.read();
  for (std::size_t i = 0; i < summed.size(); ++i)
    require(summed[i] == static_cast<float>(i * n) + all, "all-reduce, element " + std::to_string(i));

  // Every rank sends to every other, twice: the pattern of a slice exchange.
  std::vector<OnGpu> out;
  std::vector<OnGpu> in;
  out.reserve(2 * n);
  in.reserve(2 * n);
  std::vector<Transfer> sends;
  std::vector<Transfer> receives;
  for (int round = 0; round < 2; ++round) {
    for (const int peer : group.ranks) {
      if (peer == me) continue;
      std::vector<float> content(50'000, static_cast<float>(1000 * me + 10 * peer + round));
      out.emplace_back(content);
      in.emplace_back(std::vector<float>(content.size(), -1));
      sends.push_back({peer, out.back().data(), content.size() * sizeof(float)});
      receives.push_back({peer, in.back().data(), content.size() * sizeof(float)});
    }
  }
  nccl.exchange(sends, receives);
  for (std::size_t i = 0; i < in.size(); ++i) {
    const auto round = static_cast<int>(i / (n - 1));
    for (const float value : in[i].read())
      require(value == static_cast<float>(1000 * receives[i].peer + 10 * me + round), "exchange");
  }
}

// The last rank does not come to the exchange; the others are told so after a while.
void lose_one(Collectives& nccl, const NcclGroup& group, Clock::time_point& lost_at) {
  const std::vector<float> content(50'000, 1);
  OnGpu out(content);
  OnGpu in(content);
  const int last = group.ranks.back();
  lost_at = Clock::now() + std::chrono::milliseconds(500);
  try {
    const std::size_t bytes = content.size() * sizeof(float);
    nccl.exchange(std::vector<Transfer>{{last, out.data(), bytes}}, std::vector<Transfer>{{last, in.data(), bytes}});
  } catch (const RankLost&) {
    const double late = std::chrono::duration<double>(Clock::now() - lost_at).count();
    std::printf("a lost rank: given up %.3f s after it was known\n", late);
    require(late > -0.01 && late < 5, "when a lost rank was given up");
    return;
  }
  throw RankLost("wrong: an exchange with a rank that is not there has ended");
}

void run(World& world) {
  DataChannel channel(world, 2);
  channel.begin(0);
  NcclGroup group;
  group.ranks.resize(static_cast<std::size_t>(world.size()));
  std::iota(group.ranks.begin(), group.ranks.end(), 0);
  group.me = world.rank();
  int gpus = 1;
  cudaGetDeviceCount(&gpus);
  group.device = world.local_rank() % gpus;
  group.deadline = std::chrono::seconds(60);
  Clock::time_point lost_at = Clock::time_point::max();
  group.is_lost = [&lost_at] { return Clock::now() > lost_at; };
  group.on_stuck = [] { std::_Exit(1); };
  share_id(group, channel);
  auto nccl = shardmill::comm::make_nccl_collectives(group);
  check(*nccl, group);
  if (world.size() == 1) return;
  if (group.me == world.size() - 1) return;  // lost
  lose_one(*nccl, group, lost_at);
  nccl.reset();

  lost_at = Clock::time_point::max();
  group.ranks.pop_back();
  share_id(group, channel);
  nccl = shardmill::comm::make_nccl_collectives(group);
  check(*nccl, group);
}

}  // namespace

int main() {
  World world;
  int gpus = 0;
  if (cudaGetDeviceCount(&gpus) != cudaSuccess || gpus == 0) {
    if (world.rank() == 0) std::puts("skipped: this machine has no GPU");
    world.leave(77, true);
  }
  if (gpus < world.size()) {
    ::setenv("NCCL_HOSTID", std::to_string(world.rank()).c_str(), 1);
    ::setenv("NCCL_SOCKET_IFNAME", "lo", 0);
  }
  try {
    run(world);
  } catch (const shardmill::Error& error) {
    std::fprintf(stderr, "rank %d: %s\n", world.rank(), error.what());
    world.leave(1, false);
  }
  world.leave(0, true);
}

#else

int main() {
  shardmill::comm::World world;
  if (world.rank() == 0) std::puts("skipped: this build is without CUDA");
  world.leave(77, true);
}

#endif
