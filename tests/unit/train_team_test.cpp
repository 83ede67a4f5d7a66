// A step's sum among ranks that are threads here: over MPI's host memory, through host memory, and by a library that
// reduces in its own way.
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "train/device_space.hpp"
#include "train/links.hpp"
#include "train/team.hpp"

namespace shardmill::train {
namespace {

// What the ranks have sent each other and not yet received.
class Post {
 public:
  void send(int from, const comm::Transfer& transfer) {
    const std::lock_guard lock(mutex_);
    const auto* data = static_cast<const char*>(transfer.data);
    letters_[{from, transfer.peer}].emplace_back(data, data + transfer.bytes);
    arrived_.notify_all();
  }
  void receive(int to, const comm::Transfer& transfer) {
    std::unique_lock lock(mutex_);
    auto& letters = letters_[{transfer.peer, to}];
    arrived_.wait(lock, [&] { return !letters.empty(); });
    EXPECT_EQ(letters.front().size(), transfer.bytes);
    std::memcpy(transfer.data, letters.front().data(), std::min(letters.front().size(), transfer.bytes));
    letters.pop_front();
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::map<std::pair<int, int>, std::deque<std::vector<char>>> letters_;
};

// Stands for MPI: carries out what a rank's worker wants to be transferred.
class Clerk {
 public:
  Clerk(Post& post, int rank, Desk& desk) : post_(post), rank_(rank), desk_(desk), thread_([this] { run(); }) {}
  ~Clerk() {
    end_ = true;
    thread_.join();
  }

 private:
  void run() {
    while (!end_) {
      desk_.wait(std::chrono::milliseconds(1));
      const auto transfers = desk_.take_transfers();
      if (!transfers) continue;
      for (const comm::Transfer& send : transfers->sends) post_.send(rank_, send);
      for (const comm::Transfer& receive : transfers->receives) post_.receive(rank_, receive);
      desk_.end_transfers(true);
    }
  }

  Post& post_;
  int rank_;
  Desk& desk_;
  std::atomic<bool> end_ = false;
  std::thread thread_;
};

// Stands for NCCL: it adds in the order of the ranks.
class Reducing : public comm::Collectives {
 public:
  Reducing(Post& post, int rank, std::vector<int> ranks) : post_(post), rank_(rank), ranks_(std::move(ranks)) {}
  std::string name() const override { return "a library"; }
  void exchange(std::span<const comm::Transfer> sends, std::span<const comm::Transfer> receives) override {
    for (const comm::Transfer& send : sends) post_.send(rank_, send);
    for (const comm::Transfer& receive : receives) post_.receive(rank_, receive);
  }
  bool can_reduce() const override { return true; }
  void all_reduce_sum(float* data, std::size_t count) override {
    for (const int rank : ranks_) {
      if (rank != rank_) post_.send(rank_, {rank, data, count * sizeof(float)});
    }
    std::vector<float> sum(count, 0);
    std::vector<float> summand(count);
    for (const int rank : ranks_) {
      if (rank == rank_) {
        summand.assign(data, data + count);
      } else {
        post_.receive(rank_, {rank, summand.data(), count * sizeof(float)});
      }
      for (std::size_t i = 0; i < count; ++i) sum[i] += summand[i];
    }
    std::copy(sum.begin(), sum.end(), data);
  }

 private:
  Post& post_;
  int rank_;
  std::vector<int> ranks_;
};

constexpr std::size_t elements = 3000;  // of which a slice of three members' may be none
constexpr std::int64_t shards = 5;

std::vector<float> contribution(std::int64_t shard) {
  std::mt19937 random(static_cast<unsigned>(shard));
  std::normal_distribution<float> normal;
  std::vector<float> values(elements);
  for (float& value : values) value = normal(random) * std::exp2(static_cast<float>(random() % 20));
  return values;
}

enum class By { host, staged, reducing };

// The sum as each member has it. ranks: of the world; owner: of each shard, as an index into them.
std::vector<std::vector<float>> sums(By by, job::Reduction reduction, std::vector<std::int32_t> ranks,
                                     std::vector<std::int32_t> owner) {
  Post post;
  comm::Deal deal;
  deal.members = ranks;
  deal.owner = std::move(owner);
  deal.speeds.assign(ranks.size(), 0);
  job::Train rules;
  rules.reduction = reduction;
  std::vector<std::vector<float>> found(ranks.size());
  std::vector<std::thread> members;
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    members.emplace_back([&, i] {
      Desk desk;
      desk.deal(deal);
      const Clerk clerk(post, ranks[i], desk);
      const auto device = make_device_space(at::kCPU);
      FloatSpace& space = by == By::host ? host_space() : *device;
      const std::unique_ptr<comm::Collectives> link =
          by == By::host     ? make_host_link(desk)
          : by == By::staged ? make_staged_link(desk, at::kCPU)
                             : std::make_unique<Reducing>(post, ranks[i], std::vector<int>(ranks.begin(), ranks.end()));
      Team team(desk, *link, space, deal, ranks[i], rules);
      PieceStore pieces(space, elements);
      for (const std::int64_t shard : team.my_shards()) {
        const std::vector<float> values = contribution(shard);
        std::copy(values.begin(), values.end(), pieces.buffer());
        pieces.add(shard);
      }
      Floats total = make_floats(space, elements);
      const double busy = team.sum(pieces, 1 + static_cast<double>(i), {total.get(), elements});
      EXPECT_DOUBLE_EQ(busy, static_cast<double>(ranks.size() * (ranks.size() + 1)) / 2);
      for (std::size_t member = 0; member < ranks.size(); ++member) {
        const auto shares = std::count(deal.owner.begin(), deal.owner.end(), static_cast<std::int32_t>(member));
        EXPECT_EQ(team.speeds()[member] > 0, shares > 0) << "member " << member << " as " << i << " sees it";
      }
      found[i].assign(total.get(), total.get() + elements);
    });
  }
  for (std::thread& member : members) member.join();
  return found;
}

std::vector<float> alone(job::Reduction reduction = job::Reduction::ordered) {
  return sums(By::host, reduction, {0}, std::vector<std::int32_t>(shards, 0)).front();
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(Team, AddsToTheSameBitsOverAnyLinkAndHoweverItIsDealt) {
  for (const By by : {By::host, By::staged, By::reducing}) {
    for (const std::vector<std::int32_t>& owner :
         std::vector<std::vector<std::int32_t>>{{0, 0, 1, 1, 2}, {2, 0, 1, 0, 2}, {1, 1, 1, 1, 1}, {0, 2, 0, 2, 0}}) {
      for (const std::vector<float>& sum : sums(by, job::Reduction::ordered, {0, 3, 4}, owner))
        EXPECT_TRUE(same_bits(sum, alone()));
    }
  }
}

TEST(Team, AddsToTheSameBitsOnADeviceAlone) {
  EXPECT_TRUE(same_bits(sums(By::staged, job::Reduction::ordered, {1}, {0, 0, 0, 0, 0}).front(), alone()));
}

TEST(Team, AddsFastToAboutTheSame) {
  const std::vector<float> expected = alone();
  for (const By by : {By::host, By::staged, By::reducing}) {
    for (const std::vector<std::int32_t>& owner :
         std::vector<std::vector<std::int32_t>>{{0, 0, 1, 1, 2}, {1, 1, 1, 1, 1}, {2, 0, 2, 0, 2}}) {
      const auto found = sums(by, job::Reduction::fast, {0, 1, 2}, owner);
      for (const std::vector<float>& sum : found) {
        EXPECT_TRUE(same_bits(sum, found.front())) << "all members have the same";
        for (std::size_t i = 0; i < elements; ++i)
          ASSERT_NEAR(sum[i], expected[i], 1e-6 * (std::abs(expected[i]) + 1e6)) << i;
      }
    }
  }
}

}  // namespace
}  // namespace shardmill::train
