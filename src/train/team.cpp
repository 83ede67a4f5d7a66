#include "train/team.hpp"

#include <algorithm>
#include <numeric>

#include "job/crash_point.hpp"
#include "train/slices.hpp"

namespace shardmill::train {
namespace {

constexpr std::int64_t grain = 1024;  // elements
constexpr double newest = 0.3;        // weight of the last step in a speed
// Shards are dealt anew for less than this share of the time that the slowest would take otherwise: prefetched batches
// are worth something, and measured times are not exact.
constexpr double worth_it = 0.93;

template <typename T>
comm::Transfer transfer(int peer, const T* data, std::size_t count) {
  return {peer, const_cast<void*>(static_cast<const void*>(data)), count * sizeof(T)};
}

}  // namespace

Team::Team(Desk& desk, comm::Collectives& link, FloatSpace& space, const comm::Deal& deal, int rank,
           const job::Train& rules)
    : desk_(desk),
      link_(link),
      space_(space),
      reduction_(rules.reduction),
      dealing_(rules.dealing),
      members_(deal.members.begin(), deal.members.end()),
      shards_(static_cast<std::int64_t>(deal.owner.size())),
      shares_(deal.members.size()),
      speeds_(deal.speeds) {
  const auto found = std::find(members_.begin(), members_.end(), rank);
  if (found != members_.end()) me_ = static_cast<int>(found - members_.begin());
  for (std::int64_t shard = 0; shard < shards_; ++shard)
    shares_[static_cast<std::size_t>(deal.owner[static_cast<std::size_t>(shard)])].push_back(shard);
}

double Team::sum(const PieceStore& mine, double seconds, std::span<float> total) {
  std::vector<double> times(members_.size(), 0);
  times[static_cast<std::size_t>(me_)] = seconds;
  if (reduction_ == job::Reduction::fast && size() > 1 && link_.can_reduce()) {
    gather_one_each(desk_, group(), times);
    all_reduce(mine.pieces(), total);
  } else {
    const std::vector<Slice> slices = slices_of(static_cast<std::int64_t>(total.size()), members_.size(), grain);
    scatter_and_add(mine, slices, total);
    gather_slices(slices, total, times);
  }
  learn_speeds(times);
  return std::accumulate(times.begin(), times.end(), 0.0);
}

void Team::exchange(std::vector<comm::Transfer> sends, std::vector<comm::Transfer> receives) {
  if (sends.empty() && receives.empty()) return desk_.throw_if_interrupted();
  link_.exchange(sends, receives);
}

// Each member is sent the others' pieces of its slice, and adds them.
void Team::scatter_and_add(const PieceStore& mine, const std::vector<Slice>& slices, std::span<float> total) {
  const Slice my_slice = slices[static_cast<std::size_t>(me_)];
  const auto my_size = static_cast<std::size_t>(my_slice.size());
  std::vector<comm::Transfer> sends;
  std::vector<comm::Transfer> receives;
  const std::vector<Piece> pieces = added_up(mine.pieces(), total.size());
  std::vector<Piece> summands;
  std::size_t others = 0;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (static_cast<int>(i) != me_) others += pieces_of(i).size();
  }
  if (size_of(received_) < others * my_size) received_ = make_floats(space_, others * my_size);
  float* room = received_.get();
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (static_cast<int>(i) == me_) {
      for (const Piece& piece : pieces) summands.push_back({piece.subtree, piece.data + my_slice.first});
      continue;
    }
    for (const Piece& piece : pieces) {
      if (slices[i].size() > 0)
        sends.push_back(
            transfer(members_[i], piece.data + slices[i].first, static_cast<std::size_t>(slices[i].size())));
    }
    for (const Subtree& subtree : pieces_of(i)) {
      summands.push_back({subtree, room});
      if (my_size > 0) receives.push_back(transfer(members_[i], room, my_size));
      room += my_size;
    }
  }
  exchange(std::move(sends), std::move(receives));
  crash_point("train-mid-exchange");
  const bool by_member = reduction_ == job::Reduction::fast;
  if (my_size > 0) {
    add_in_tree_order(space_, summands, by_member ? static_cast<std::int64_t>(summands.size()) : shards_, my_size,
                      total.data() + my_slice.first);
  }
}

// To every member the slices of all, and what each one's logical shards took.
void Team::gather_slices(const std::vector<Slice>& slices, std::span<float> total, std::vector<double>& times) {
  const bool together = &space_ == &host_space();  // the times are in host memory
  if (!together) gather_one_each(desk_, group(), times);
  Transfers transfers;
  for (std::size_t i = 0; together && i < members_.size(); ++i) {
    if (static_cast<int>(i) == me_) continue;
    transfers.sends.push_back(transfer(members_[i], &times[static_cast<std::size_t>(me_)], 1));
    transfers.receives.push_back(transfer(members_[i], &times[i], 1));
  }
  add_shares(transfers, slices, each_its_own(), everybody(), total);
  exchange(std::move(transfers.sends), std::move(transfers.receives));
}

void Team::sum_slices(const PieceStore& mine, const std::vector<Slice>& slices, std::span<float> total) {
  if (reduction_ == job::Reduction::fast && size() > 1 && link_.can_reduce()) return all_reduce(mine.pieces(), total);
  const std::size_t members = members_.size();
  const auto me = static_cast<std::size_t>(me_);
  std::vector<Slice> with_rest = slices;
  with_rest.back().last = static_cast<std::int64_t>(total.size());
  scatter_and_add(mine, with_rest, total);
  if (members == 1) return;
  std::vector<comm::Transfer> sends;
  std::vector<comm::Transfer> receives;
  const auto piece_of = [&](std::size_t peer, const Slice& slice) {
    return transfer(members_[peer], total.data() + slice.first, static_cast<std::size_t>(slice.size()));
  };
  const std::size_t before = (me + members - 1) % members;
  if (slices[me].size() > 0) sends.push_back(piece_of((me + 1) % members, slices[me]));
  if (slices[before].size() > 0) receives.push_back(piece_of(before, slices[before]));
  const Slice rest{slices.back().last, with_rest.back().last};
  for (std::size_t i = 0; i + 1 < members && rest.size() > 0; ++i) {
    if (me + 1 == members) sends.push_back(piece_of(i, rest));
    if (me == i) receives.push_back(piece_of(members - 1, rest));
  }
  exchange(std::move(sends), std::move(receives));
}

Team::Agreement Team::agree(double seconds, const std::vector<Slice>& slices,
                            const std::optional<std::vector<double>>& squares) {
  std::vector<std::int64_t> ends;
  for (const Slice& slice : slices) {
    const auto values = 1 + (squares ? static_cast<std::int64_t>(chunks_of(slice).size()) : 0);
    ends.push_back((ends.empty() ? 0 : ends.back()) + values);
  }
  const auto first = [&ends](std::size_t i) { return i == 0 ? 0 : ends[i - 1]; };
  std::vector<double> all(static_cast<std::size_t>(ends.back()));
  const auto mine = all.begin() + first(static_cast<std::size_t>(me_));
  *mine = seconds;
  if (squares) std::copy(squares->begin(), squares->end(), mine + 1);
  gather(all, ends);
  Agreement agreement;
  std::vector<double> times;
  for (std::size_t i = 0; i < ends.size(); ++i) {
    times.push_back(all[static_cast<std::size_t>(first(i))]);
    agreement.squares.insert(agreement.squares.end(), all.begin() + first(i) + 1, all.begin() + ends[i]);
  }
  learn_speeds(times);
  agreement.seconds = std::accumulate(times.begin(), times.end(), 0.0);
  return agreement;
}

void Team::share(const std::vector<Slice>& slices, std::span<float> vector) {
  share(slices, each_its_own(), everybody(), vector);
}

void Team::share(const std::vector<Slice>& slices, const std::vector<std::size_t>& givers,
                 const std::vector<bool>& lacking, std::span<float> vector) {
  Transfers transfers;
  add_shares(transfers, slices, givers, lacking, vector);
  exchange(std::move(transfers.sends), std::move(transfers.receives));
}

std::vector<std::size_t> Team::each_its_own() const {
  std::vector<std::size_t> givers(members_.size());
  std::iota(givers.begin(), givers.end(), std::size_t{0});
  return givers;
}

void Team::add_shares(Transfers& transfers, const std::vector<Slice>& slices, const std::vector<std::size_t>& givers,
                      const std::vector<bool>& lacking, std::span<float> vector) const {
  const auto me = static_cast<std::size_t>(me_);
  for (std::size_t i = 0; i < slices.size(); ++i) {
    if (slices[i].size() == 0) continue;
    float* const data = vector.data() + slices[i].first;
    const auto count = static_cast<std::size_t>(slices[i].size());
    if (givers[i] != me) {
      if (lacking[me]) transfers.receives.push_back(transfer(members_[givers[i]], data, count));
      continue;
    }
    for (std::size_t peer = 0; peer < members_.size(); ++peer) {
      if (peer != me && lacking[peer]) transfers.sends.push_back(transfer(members_[peer], data, count));
    }
  }
}

void Team::all_reduce(const std::vector<Piece>& pieces, std::span<float> total) {
  if (pieces.empty()) {
    space_.clear(total.data(), total.size());
  } else {
    space_.copy(added_up(pieces, total.size()).front().data, total.size(), total.data());
  }
  link_.all_reduce_sum(total.data(), total.size());
}

// In the fast reduction a member's sum is a leaf of its own: the n-th of those that have any shards.
std::vector<Subtree> Team::pieces_of(std::size_t member) const {
  if (reduction_ == job::Reduction::ordered) return largest_subtrees(shares_[member]);
  if (shares_[member].empty()) return {};
  std::int64_t leaf = 0;
  for (std::size_t i = 0; i < member; ++i) leaf += shares_[i].empty() ? 0 : 1;
  return {{leaf, 1}};
}

std::vector<Piece> Team::added_up(std::vector<Piece> pieces, std::size_t elements) {
  if (reduction_ == job::Reduction::ordered || pieces.empty()) return pieces;
  if (pieces.size() > 1) {
    if (size_of(local_) < elements) local_ = make_floats(space_, elements);
    space_.add(pieces[0].data, pieces[1].data, elements, local_.get());
    for (std::size_t p = 2; p < pieces.size(); ++p) space_.add(local_.get(), pieces[p].data, elements, local_.get());
    pieces.front().data = local_.get();
  }
  pieces.resize(1);
  pieces.front().subtree = pieces_of(static_cast<std::size_t>(me_)).front();
  return pieces;
}

void Team::learn_speeds(std::span<const double> seconds) {
  if (dealing_ == job::Dealing::even) return;  // all stay unknown, and so the same
  for (std::size_t i = 0; i < speeds_.size(); ++i) {
    if (shares_[i].empty() || seconds[i] <= 0) continue;
    const double speed = static_cast<double>(shares_[i].size()) / seconds[i];
    speeds_[i] = speeds_[i] > 0 ? (1 - newest) * speeds_[i] + newest * speed : speed;
  }
}

void Team::deal_again() {
  Shares better = deal_all(shards_, speeds_);
  // What a death left is scattered; it is put in order at once.
  const bool in_order = [&] {
    std::int64_t next = 0;
    for (const auto& share : shares_) {
      for (const std::int64_t shard : share) {
        if (shard != next++) return false;
      }
    }
    return true;
  }();
  if (!in_order || imbalance(better, speeds_) < worth_it * imbalance(shares_, speeds_)) shares_ = std::move(better);
}

}  // namespace shardmill::train
