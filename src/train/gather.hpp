// What each member of a deal has, to all of them: an all-gather in host memory, over the desk.
//
// Collective over the members; worker's thread. Throws Interrupted when one of them is lost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "train/desk.hpp"

namespace shardmill::train {

// The members, as one of them sees them.
struct Members {
  std::span<const int> ranks;
  std::size_t me = 0;  // this one's index
};

// Member i's part are the items [ends[i - 1], ends[i]) of `all`, of so many bytes each.
void gather_bytes(Desk& desk, const Members& members, char* all, std::size_t item_bytes,
                  std::span<const std::int64_t> ends);

template <typename T>
void gather(Desk& desk, const Members& members, std::vector<T>& all, std::span<const std::int64_t> ends) {
  gather_bytes(desk, members, reinterpret_cast<char*>(all.data()), sizeof(T), ends);
}

// One item of each member.
template <typename T>
void gather_one_each(Desk& desk, const Members& members, std::vector<T>& all) {
  std::vector<std::int64_t> ends(members.ranks.size());
  std::iota(ends.begin(), ends.end(), 1);
  gather(desk, members, all, ends);
}

}  // namespace shardmill::train
