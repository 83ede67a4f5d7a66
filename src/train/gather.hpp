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

// Member i's part are the items [ends[i - 1], ends[i]) of `all`, of so many bytes each. me: this one's index.
void gather_bytes(Desk& desk, std::span<const int> members, std::size_t me, char* all, std::size_t item_bytes,
                  std::span<const std::int64_t> ends);

template <typename T>
void gather(Desk& desk, std::span<const int> members, std::size_t me, std::vector<T>& all,
            std::span<const std::int64_t> ends) {
  gather_bytes(desk, members, me, reinterpret_cast<char*>(all.data()), sizeof(T), ends);
}

// One item of each member.
template <typename T>
void gather_one_each(Desk& desk, std::span<const int> members, std::size_t me, std::vector<T>& all) {
  std::vector<std::int64_t> ends(members.size());
  std::iota(ends.begin(), ends.end(), 1);
  gather(desk, members, me, all, ends);
}

}  // namespace shardmill::train
