// A run in parts: independent jobs, those of an array say, each computes an interval of the shards.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shardmill::job {

// One of `of` parts, counted from 1.
struct Part {
  int index = 1;
  int of = 1;

  friend bool operator==(const Part&, const Part&) = default;
};

inline constexpr int most_parts = 100'000;

// "2/3", and back; none if it is no such thing.
std::string to_text(const Part& part);
std::optional<Part> parse_part(std::string_view text);

// Of `all` things, the first that is not in the parts before `index` + 1: the parts differ by one at most.
constexpr std::int64_t part_border(std::int64_t all, int index, int of) {
  return all / of * index + (index < all % of ? index : all % of);
}

}  // namespace shardmill::job
