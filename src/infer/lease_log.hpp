// The leases in a rank's log: a line each, but with thousands of short shards a second only the first of a second, and
// how many more there were.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>

#include "comm/messages.hpp"
#include "report/log.hpp"

namespace shardmill::infer {

class LeaseLog {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // A lease after a death always has its line.
  void add(const comm::Lease& lease) {
    if (lines_ < most_lines || lease.again != 0) {
      ++lines_;
      report::log_info("lease: shard " + std::to_string(lease.shard) + " attempt " + std::to_string(lease.attempt) +
                       " from row " + std::to_string(lease.first_row));
      return;
    }
    lowest_ = more_ == 0 ? lease.shard : std::min(lowest_, lease.shard);
    highest_ = more_ == 0 ? lease.shard : std::max(highest_, lease.shard);
    ++more_;
  }
  // Often.
  void turn(Time now) {
    if (now - second_ < std::chrono::seconds(1)) return;
    second_ = now;
    tell();
  }
  // What is not told yet.
  void tell() {
    if (more_ > 0) {
      report::log_info("lease: " + std::to_string(more_) + " more, of shards " + std::to_string(lowest_) + " to " +
                       std::to_string(highest_));
    }
    lines_ = more_ = 0;
  }

 private:
  static constexpr int most_lines = 20;  // a second

  Time second_{};
  std::int64_t lines_ = 0;
  std::int64_t more_ = 0;
  std::int64_t lowest_ = 0;
  std::int64_t highest_ = 0;
};

}  // namespace shardmill::infer
