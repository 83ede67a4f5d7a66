#include "dataset/range.hpp"

#include "job/error.hpp"

namespace shardmill::dataset {

std::optional<std::string> range_problem(const job::RecordRange& range, std::int64_t rows) {
  const std::string named = "the range [" + std::to_string(range.first) + ", " + std::to_string(range.last) + ")";
  if (range.first < 0) return named + " begins before record 0";
  if (range.last < range.first) return named + " ends before it begins";
  if (range.last > rows) return named + " ends beyond the " + std::to_string(rows) + " records of the dataset";
  return std::nullopt;
}

job::RecordRange apply_range(const job::Dataset& dataset, std::int64_t rows) {
  if (!dataset.range) return {0, rows};
  if (const auto problem = range_problem(*dataset.range, rows)) throw DataError(*problem);
  return *dataset.range;
}

}  // namespace shardmill::dataset
