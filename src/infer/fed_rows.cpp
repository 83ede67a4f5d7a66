#include "infer/fed_rows.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "job/error.hpp"

namespace shardmill::infer {
namespace {

constexpr std::size_t most_gathered = std::size_t{1} << 20;  // bytes; then they are sent
constexpr std::size_t most_at_once = std::size_t{64} << 20;  // bytes in one message, if a row is not larger
constexpr std::size_t largest_row = std::size_t{1} << 30;

std::int64_t rows_at_once(std::size_t row_bytes) {
  return static_cast<std::int64_t>(std::max<std::size_t>(most_at_once / row_bytes, 1));
}

}  // namespace

FedRows::FedRows(FeedLine& line, store::ResultsLayout layout) : line_(line), layout_(std::move(layout)) {
  for (const store::OutputLayout& output : layout_.outputs) {
    if (output.row_bytes() <= largest_row) continue;
    throw StoreError("a row of output '" + output.name + "' has " + std::to_string(output.row_bytes()) +
                     " bytes, too many to be sent by a rank that does not see the results file");
  }
}

void FedRows::write(const comm::Lease& lease, std::size_t output, std::int64_t first, std::int64_t count,
                    const void* rows) {
  const std::size_t row_bytes = layout_.outputs.at(output).row_bytes();
  if (row_bytes == 0) return;
  const auto* from = static_cast<const char*>(rows);
  for (std::int64_t row = 0; row < count; row += rows_at_once(row_bytes)) {
    const std::int64_t taken = std::min(rows_at_once(row_bytes), count - row);
    const std::size_t size = static_cast<std::size_t>(taken) * row_bytes;
    const auto part = static_cast<std::int32_t>(output);
    blocks_.push_back({lease.shard, lease.attempt, part, first + row, taken, std::string(from, size)});
    from += size;
    bytes_ += size;
    if (bytes_ >= most_gathered) send(false);
  }
}

void FedRows::send(bool sync) {
  if (blocks_.empty() && !sync) return;
  bytes_ = 0;
  const comm::Store store{0, static_cast<std::uint8_t>(sync ? 1 : 0), std::exchange(blocks_, {})};
  const comm::Served served = line_.wait(line_.ask(store));
  if (!served.error.empty()) throw StoreError(served.error);
}

void FedRows::read(std::size_t output, std::int64_t first, std::int64_t count, void* rows) {
  send(false);
  const std::size_t row_bytes = layout_.outputs.at(output).row_bytes();
  if (row_bytes == 0) return;
  auto* to = static_cast<char*>(rows);
  for (std::int64_t row = 0; row < count; row += rows_at_once(row_bytes)) {
    const std::int64_t taken = std::min(rows_at_once(row_bytes), count - row);
    const comm::Served served =
        line_.wait(line_.ask(comm::Fetch{0, comm::Fetch::rows, static_cast<std::int32_t>(output), first + row, taken}));
    if (!served.error.empty()) throw StoreError(served.error);
    const std::size_t size = static_cast<std::size_t>(taken) * row_bytes;
    SHARDMILL_CHECK(served.bytes.size() == size, "as many bytes as were asked for");
    std::memcpy(to, served.bytes.data(), size);
    to += size;
  }
}

}  // namespace shardmill::infer
