// Targets and masks of metrics: one number a record, all of them.
#include "dataset/column.hpp"

#include "dataset/hdf5_file.hpp"
#include "dataset/range.hpp"
#include "dataset/record_source.hpp"
#include "job/error.hpp"

namespace shardmill::dataset {

std::optional<std::string> column_problem(const Hdf5Dataset& dataset) {
  for (const std::int64_t extent : dataset.row_shape())
    if (extent != 1) return "does not hold one number a record";
  return std::nullopt;
}

std::vector<double> read_column(const job::Dataset& dataset, const std::string& name) {
  const store::Hdf5Handle file = open_hdf5(dataset.path);
  const Hdf5Dataset column(file.get(), dataset.path, name);
  if (const auto problem = column_problem(column))
    throw DataError("dataset '" + name + "' of " + dataset.path.string() + " " + *problem);
  const job::RecordRange range = apply_range(dataset, column.rows());
  std::vector<double> values(static_cast<std::size_t>(range.last - range.first));
  column.read_as_double(range.first, range.last - range.first, values.data());
  return values;
}

}  // namespace shardmill::dataset
