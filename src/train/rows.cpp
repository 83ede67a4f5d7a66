#include "train/rows.hpp"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <numeric>
#include <string>

#include "job/error.hpp"

namespace shardmill::train {
namespace {

// A longer run is read in pieces: the memory for it stays small, and larger reads are no faster.
constexpr std::size_t max_run_bytes = std::size_t{8} << 20;

}  // namespace

std::size_t bytes_of(const dataset::RecordSource& source) {
  std::size_t bytes = 0;
  for (const dataset::Field& field : source.fields()) bytes += field.bytes();
  return bytes * static_cast<std::size_t>(source.records());
}

std::size_t available_memory() {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("MemAvailable:")) return std::strtoull(line.c_str() + 13, nullptr, 10) * 1024;
  }
  return 0;
}

Rows::Rows(std::unique_ptr<dataset::RecordSource> source, bool in_memory)
    : fields_(source->fields()), records_(source->records()), source_(std::move(source)) {
  if (!in_memory) return;
  for (std::size_t field = 0; field < fields_.size(); ++field) {
    const std::size_t bytes = fields_[field].bytes() * static_cast<std::size_t>(records_);
    memory_.push_back(std::make_unique_for_overwrite<char[]>(bytes));
    source_->read(field, 0, records_, memory_.back().get());
  }
  source_.reset();
}

void Rows::gather(std::size_t field, const std::vector<std::int64_t>& starts, std::int64_t length, void* destination) {
  SHARDMILL_CHECK(field < fields_.size(), "no field " + std::to_string(field));
  for (const std::int64_t start : starts)
    SHARDMILL_CHECK(start >= 0 && start <= records_ - length,
                    "records from " + std::to_string(start) + " of " + std::to_string(records_));
  auto* to = static_cast<char*>(destination);
  if (!in_memory()) return gather_from_file(field, starts, length, to);
  const std::size_t record = fields_[field].bytes();
  const std::size_t bytes = record * static_cast<std::size_t>(length);
  for (const std::int64_t start : starts) {
    std::memcpy(to, memory_[field].get() + record * static_cast<std::size_t>(start), bytes);
    to += bytes;
  }
}

void Rows::gather_from_file(std::size_t field, const std::vector<std::int64_t>& starts, std::int64_t length,
                            char* destination) {
  const std::size_t record = fields_[field].bytes();
  const std::size_t bytes = record * static_cast<std::size_t>(length);
  std::vector<std::size_t> order(starts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return starts[a] < starts[b]; });
  for (std::size_t i = 0; i < order.size();) {
    const std::int64_t first = starts[order[i]];
    std::int64_t last = first + length;
    std::size_t next = i + 1;
    while (next < order.size() && starts[order[next]] <= last &&
           record * static_cast<std::size_t>(starts[order[next]] + length - first) <= max_run_bytes)
      last = starts[order[next++]] + length;
    if (next == i + 1) {
      source_->read(field, first, length, destination + order[i] * bytes);
    } else {
      run_.resize(record * static_cast<std::size_t>(last - first));
      source_->read(field, first, last - first, run_.data());
      for (std::size_t j = i; j < next; ++j)
        std::memcpy(destination + order[j] * bytes,
                    run_.data() + record * static_cast<std::size_t>(starts[order[j]] - first), bytes);
    }
    i = next;
  }
}

}  // namespace shardmill::train
