// A step's sum among ranks that are threads here: over MPI's host memory, through host memory, and by a library that
// reduces in its own way.
#include <cstring>
#include <random>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "rank_threads.hpp"
#include "train/device_space.hpp"
#include "train/links.hpp"
#include "train/team.hpp"

namespace shardmill::train {
namespace {

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

// As optimizer_sharding cuts them: the second member has nothing, and the last elements are nobody's.
const std::vector<Slice> slices{{0, 1024}, {1024, 1024}, {1024, 2900}};

enum class By { host, staged, reducing };

// Sums in parts, and checks what the member is said to have then; afterwards it has everything.
double sum_in_parts(Team& team, const PieceStore& pieces, double seconds, const std::vector<float>& expected,
                    std::span<float> total) {
  const auto same = [&](std::int64_t first, std::int64_t last) {
    return std::equal(expected.begin() + first, expected.begin() + last, total.begin() + first);
  };
  team.sum_slices(pieces, slices, total);
  const auto me = static_cast<std::size_t>(team.me());
  for (const std::size_t i : {me, (me + 2) % 3}) EXPECT_TRUE(same(slices[i].first, slices[i].last)) << me << ", " << i;
  EXPECT_TRUE(same(2900, elements));
  EXPECT_TRUE(team.agree(0, slices, std::nullopt).squares.empty());
  const std::vector<double> square(slices[me].size() > 0 ? 1 : 0, static_cast<double>(me + 5));
  const Team::Agreement agreement = team.agree(seconds, slices, square);
  EXPECT_EQ(agreement.squares, (std::vector<double>{5, 7}));
  team.share(slices, {0, 1, 2}, {true, true, true}, total);
  return agreement.seconds;
}

// The sum as each member has it. ranks: of the world; owner: of each shard, as an index into them.
std::vector<std::vector<float>> sums(By by, job::Reduction reduction, std::vector<std::int32_t> ranks,
                                     std::vector<std::int32_t> owner, const std::vector<float>& in_parts = {}) {
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
      const double seconds = 1 + static_cast<double>(i);
      const std::span<float> span(total.get(), elements);
      const double busy =
          in_parts.empty() ? team.sum(pieces, seconds, span) : sum_in_parts(team, pieces, seconds, in_parts, span);
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

TEST(Team, AddsToTheSameBitsInParts) {
  for (const By by : {By::host, By::staged}) {
    for (const std::vector<std::int32_t>& owner :
         std::vector<std::vector<std::int32_t>>{{0, 0, 1, 1, 2}, {1, 1, 1, 1, 1}}) {
      for (const std::vector<float>& sum : sums(by, job::Reduction::ordered, {0, 3, 4}, owner, alone()))
        EXPECT_TRUE(same_bits(sum, alone()));
    }
  }
}

TEST(Team, SharesWhatWasCutAmongOthers) {
  Post post;
  comm::Deal deal;
  deal.members = {1, 2, 5};  // of what 0, 1 and 2 had, and 5 is new
  deal.owner = {0, 1, 2};
  deal.speeds = {0, 0, 0};
  std::vector<std::thread> members;
  for (const int rank : deal.members) {
    members.emplace_back([&, rank] {
      Desk desk;
      desk.deal(deal);
      const Clerk clerk(post, rank, desk);
      const auto link = make_host_link(desk);
      Team team(desk, *link, host_space(), deal, rank, job::Train{});
      std::vector<float> vector(elements, -1);
      // 1 has its own slice and that of 0; 2 has its own.
      const auto fill = [&](const Slice& slice, float value) {
        std::fill(vector.begin() + slice.first, vector.begin() + slice.last, value);
      };
      if (rank == 1) fill(slices[0], 10);
      if (rank == 2) fill(slices[2], 12);
      team.share(slices, {0, 0, 1}, {true, true, false}, vector);
      const std::set<float> found(vector.begin(), vector.begin() + slices.back().last);
      EXPECT_EQ(found, rank == 5 ? std::set<float>{-1} : (std::set<float>{10, 12})) << rank;
    });
  }
  for (std::thread& member : members) member.join();
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
