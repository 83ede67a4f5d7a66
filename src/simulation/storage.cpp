#include "simulation/storage.hpp"

#include <algorithm>

namespace shardmill::simulation {

bool Storage::write(std::int64_t record, Content content) {
  Content& place = written_[static_cast<std::size_t>(record)];
  const bool same = place == Content::nothing || place == content;
  place = content;
  return same;
}

void Storage::sync(std::int64_t first, std::int64_t last) {
  std::copy(written_.begin() + first, written_.begin() + last, durable_.begin() + first);
}

bool Storage::is_durable(std::int64_t first, std::int64_t last) const {
  return std::find(durable_.begin() + first, durable_.begin() + last, Content::nothing) == durable_.begin() + last;
}

}  // namespace shardmill::simulation
