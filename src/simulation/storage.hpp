// The results file of the fake world: what is in it, and what of it would survive the machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace shardmill::simulation {

enum class Content : std::uint8_t { nothing, computed, quarantined };

class Storage {
 public:
  explicit Storage(std::int64_t records)
      : written_(static_cast<std::size_t>(records)), durable_(static_cast<std::size_t>(records)) {}

  // A record may be written again, with the same bytes. Returns whether that rule was kept.
  bool write(std::int64_t record, Content content);
  void sync(std::int64_t first, std::int64_t last);
  void lose_what_is_not_synced() { written_ = durable_; }
  bool is_durable(std::int64_t first, std::int64_t last) const;
  Content durable(std::int64_t record) const { return durable_[static_cast<std::size_t>(record)]; }

 private:
  std::vector<Content> written_;
  std::vector<Content> durable_;
};

}  // namespace shardmill::simulation
