#include "dataset/batch_order.hpp"

#include <algorithm>
#include <numeric>

namespace shardmill::dataset {
namespace {

constexpr std::size_t piece_bytes = std::size_t{4} << 20;

bool has_axis(const Field& field) { return !field.shape.empty() && field.bytes() > 0; }

// The last entry of `bytes` each that is not all zero, plus one.
std::int64_t length_of(const char* record, std::int64_t entries, std::size_t bytes) {
  while (entries > 0) {
    const char* entry = record + static_cast<std::size_t>(entries - 1) * bytes;
    if (std::any_of(entry, entry + bytes, [](char byte) { return byte != 0; })) break;
    --entries;
  }
  return entries;
}

// Records that cannot be read are left out: they will be quarantined wherever they stand.
void read_what_can_be(RecordSource& source, std::size_t field, std::int64_t first, std::int64_t count, char* to) {
  try {
    source.read(field, first, count, to);
  } catch (const DataError&) {
    if (count == 1) return;
    const std::int64_t half = count / 2;
    read_what_can_be(source, field, first, half, to);
    read_what_can_be(source, field, first + half, count - half,
                     to + static_cast<std::size_t>(half) * source.fields()[field].bytes());
  }
}

}  // namespace

BatchOrder::BatchOrder(const job::Job& job, const RecordSource& source) {
  cut_.assign(source.fields().size(), false);
  if (job.batch_by != job::BatchBy::length) return;
  std::int64_t entries = 0;
  for (std::size_t i = 0; i < source.fields().size(); ++i) {
    const Field& field = source.fields()[i];
    if (job.length_from ? field.name != *job.length_from : !has_axis(field)) continue;
    if (!has_axis(field)) {
      throw LengthError("length_from: the records of dataset '" + field.name +
                        "' are single numbers and have no length");
    }
    measured_.push_back(i);
    entries = std::max(entries, field.shape.front());
  }
  if (measured_.empty()) {
    throw LengthError("batch_by: length needs an input whose records have an axis; these are single numbers");
  }
  std::erase_if(measured_, [&](std::size_t i) { return source.fields()[i].shape.front() != entries; });
  for (std::size_t i = 0; i < cut_.size(); ++i) {
    cut_[i] = has_axis(source.fields()[i]) && source.fields()[i].shape.front() == entries;
  }
}

BatchOrder::Shard BatchOrder::of(RecordSource& source, std::int64_t first, std::int64_t count) const {
  std::vector<std::int64_t> length(static_cast<std::size_t>(count), 1);
  std::vector<char> buffer;
  for (const std::size_t i : measured_) {
    const Field& field = source.fields()[i];
    const std::int64_t entries = field.shape.front();
    const std::size_t entry_bytes = field.bytes() / static_cast<std::size_t>(entries);
    const auto at_once = static_cast<std::int64_t>(std::max<std::size_t>(piece_bytes / field.bytes(), 1));
    for (std::int64_t row = 0; row < count; row += at_once) {
      const std::int64_t rows = std::min(at_once, count - row);
      buffer.assign(static_cast<std::size_t>(rows) * field.bytes(), 1);  // what cannot be read counts as long
      read_what_can_be(source, i, first + row, rows, buffer.data());
      for (std::int64_t j = 0; j < rows; ++j) {
        std::int64_t& longest = length[static_cast<std::size_t>(row + j)];
        const char* record = buffer.data() + static_cast<std::size_t>(j) * field.bytes();
        longest = std::max(longest, length_of(record, entries, entry_bytes));
      }
    }
  }
  Shard shard;
  shard.rows.resize(length.size());
  std::iota(shard.rows.begin(), shard.rows.end(), 0);
  std::stable_sort(shard.rows.begin(), shard.rows.end(), [&](std::int64_t a, std::int64_t b) {
    return length[static_cast<std::size_t>(a)] > length[static_cast<std::size_t>(b)];
  });
  for (const std::int64_t row : shard.rows) shard.lengths.push_back(length[static_cast<std::size_t>(row)]);
  return shard;
}

std::vector<std::int64_t> rows_at(const job::Job& job, std::int64_t first, std::int64_t count,
                                  const std::vector<std::int64_t>& places) {
  if (job.batch_by != job::BatchBy::length || places.empty()) return places;
  const auto source = open_source(job.dataset);
  const BatchOrder::Shard shard = BatchOrder(job, *source).of(*source, first, count);
  std::vector<std::int64_t> rows;
  for (const std::int64_t place : places) rows.push_back(shard.rows.at(static_cast<std::size_t>(place)));
  return rows;
}

}  // namespace shardmill::dataset
