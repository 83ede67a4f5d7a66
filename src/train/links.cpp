#include "train/links.hpp"

#include <algorithm>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <signal.h>

#include "comm/nccl_collectives.hpp"
#include "job/error.hpp"
#include "report/log.hpp"
#include "train/gather.hpp"

namespace shardmill::train {
namespace {

using Clock = std::chrono::steady_clock;

class HostLink : public comm::Collectives {
 public:
  explicit HostLink(Desk& desk) : desk_(desk) {}
  std::string name() const override { return "MPI"; }
  void exchange(std::span<const comm::Transfer> sends, std::span<const comm::Transfer> receives) override {
    desk_.exchange({sends.begin(), sends.end()}, {receives.begin(), receives.end()});
  }

 private:
  Desk& desk_;
};

at::Tensor bytes_at(void* data, std::size_t bytes, at::Device device) {
  return at::from_blob(data, {static_cast<std::int64_t>(bytes)}, at::TensorOptions().dtype(at::kByte).device(device));
}

class StagedLink : public comm::Collectives {
 public:
  StagedLink(Desk& desk, at::Device device) : desk_(desk), device_(device) {}
  std::string name() const override { return "MPI through host memory"; }
  void exchange(std::span<const comm::Transfer> sends, std::span<const comm::Transfer> receives) override {
    const at::NoGradGuard no_grad;
    const std::vector<comm::Transfer> out = on_the_host(sends);
    std::size_t at = 0;
    for (const comm::Transfer& send : sends)
      view(out[at++]).copy_(bytes_at(send.data, send.bytes, device_), /*non_blocking=*/false);
    const std::vector<comm::Transfer> in = on_the_host(receives, out.size());
    desk_.exchange(out, in);
    at = 0;
    for (const comm::Transfer& receive : receives)
      bytes_at(receive.data, receive.bytes, device_).copy_(view(in[at++]), /*non_blocking=*/false);
  }

 private:
  static at::Tensor view(const comm::Transfer& transfer) { return bytes_at(transfer.data, transfer.bytes, at::kCPU); }

  // The same transfers with buffers of the host's, from the n-th on.
  std::vector<comm::Transfer> on_the_host(std::span<const comm::Transfer> transfers, std::size_t first = 0) {
    std::vector<comm::Transfer> there(transfers.begin(), transfers.end());
    if (buffers_.size() < first + there.size()) buffers_.resize(first + there.size());
    for (std::size_t i = 0; i < there.size(); ++i) {
      at::Tensor& buffer = buffers_[first + i];
      const auto bytes = static_cast<std::int64_t>(there[i].bytes);
      if (!buffer.defined() || buffer.numel() < bytes)
        buffer = at::empty({bytes}, at::TensorOptions().dtype(at::kByte).pinned_memory(device_.is_cuda()));
      there[i].data = buffer.mutable_data_ptr();
    }
    return there;
  }

  Desk& desk_;
  at::Device device_;
  std::vector<at::Tensor> buffers_;  // of the sends, then of the receives
};

// NCCL does not know who has died, and fails when somebody has; then the clerk says so, in a while.
class NcclLink : public comm::Collectives {
 public:
  NcclLink(Desk& desk, const comm::NcclGroup& group, std::chrono::duration<double> patience)
      : desk_(desk), patience_(patience) {
    guarded([&] { nccl_ = comm::make_nccl_collectives(group); });
  }
  std::string name() const override { return nccl_->name(); }
  void exchange(std::span<const comm::Transfer> sends, std::span<const comm::Transfer> receives) override {
    guarded([&] { nccl_->exchange(sends, receives); });
  }
  void all_reduce_sum(float* data, std::size_t count) override {
    guarded([&] { nccl_->all_reduce_sum(data, count); });
  }
  bool can_reduce() const override { return true; }

 private:
  template <typename Call>
  void guarded(const Call& call) {
    const Desk::Waiting waiting(desk_);
    try {
      call();
    } catch (const RankLost& error) {
      for (const auto end = Clock::now() + patience_; Clock::now() < end;) {
        desk_.throw_if_interrupted();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      throw ModelError(std::string(error.what()) + "; no rank has died. NCCL_DEBUG=INFO makes NCCL say more, and " +
                       "training.exchange: mpi does without it");
    }
  }

  Desk& desk_;
  std::chrono::duration<double> patience_;
  std::unique_ptr<comm::Collectives> nccl_;
};

// What a member tells the others before they come together.
struct Card {
  char place[96] = {};  // comm::nccl_place; all 0: cannot

  friend auto operator<=>(const Card& a, const Card& b) { return std::memcmp(a.place, b.place, sizeof a.place) <=> 0; }
};

Card card_of(at::Device device) {
  Card card;
  if (!device.is_cuda()) return card;
  const std::string place = comm::nccl_place(device.index());
  if (place.size() <= sizeof card.place) std::copy(place.begin(), place.end(), card.place);
  return card;
}

// Why these cannot use NCCL together; empty if they can.
std::string why_not(const std::vector<Card>& cards) {
  if (std::any_of(cards.begin(), cards.end(), [](const Card& card) { return card.place[0] == 0; }))
    return "a rank has no GPU, or no NCCL of the version that this program was compiled with";
  if (std::set<Card>(cards.begin(), cards.end()).size() < cards.size())
    return "two ranks share a GPU; start one rank for each";
  return {};
}

// Made by the first of the group.
void share_id(Desk& desk, comm::NcclGroup& group) {
  if (group.me > 0) return desk.exchange({}, {{group.ranks.front(), group.id.data(), group.id.size()}});
  group.id = comm::make_nccl_id();
  std::vector<comm::Transfer> sends;
  for (std::size_t i = 1; i < group.ranks.size(); ++i)
    sends.push_back({group.ranks[i], group.id.data(), group.id.size()});
  desk.exchange(std::move(sends), {});
}

[[noreturn]] void end_this_process() {
  report::log_info("NCCL could not be aborted: this rank ends itself");
  ::raise(SIGKILL);
  ::abort();
}

}  // namespace

std::unique_ptr<comm::Collectives> make_host_link(Desk& desk) { return std::make_unique<HostLink>(desk); }

std::unique_ptr<comm::Collectives> make_staged_link(Desk& desk, at::Device device) {
  return std::make_unique<StagedLink>(desk, device);
}

std::unique_ptr<comm::Collectives> make_link(Desk& desk, const comm::Deal& deal, int rank, const job::Job& job,
                                             at::Device device) {
  const auto over_mpi = [&] { return device.is_cpu() ? make_host_link(desk) : make_staged_link(desk, device); };
  const job::Exchange wanted = job.train.exchange;
  // Known to all from the job, so that all skip the cards or none does.
  const bool never =
      wanted == job::Exchange::mpi || (wanted == job::Exchange::automatic && job.model.device == job::Device::cpu);
  const auto found = std::find(deal.members.begin(), deal.members.end(), rank);
  if (never || deal.members.size() < 2 || found == deal.members.end()) return over_mpi();

  const auto me = static_cast<std::size_t>(found - deal.members.begin());
  std::vector<Card> cards(deal.members.size());
  cards[me] = card_of(device);
  gather_one_each(desk, {deal.members, me}, cards);
  if (const std::string why = why_not(cards); !why.empty()) {
    if (wanted == job::Exchange::nccl)
      throw ModelError("training.exchange is nccl, but " + why + "; or set it to auto");
    return over_mpi();
  }

  comm::NcclGroup group;
  group.ranks.assign(deal.members.begin(), deal.members.end());
  group.me = static_cast<int>(me);
  group.device = device.index();
  const double patience = job.fault_tolerance.shard_timeout;
  group.deadline = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::duration<double>(patience));
  group.is_lost = [&desk] { return desk.interrupted(); };
  group.on_stuck = end_this_process;
  share_id(desk, group);
  return std::make_unique<NcclLink>(desk, group, 2 * std::chrono::duration<double>(job.fault_tolerance.rank_timeout));
}

}  // namespace shardmill::train
