// The record source over one HDF5 file.
#include <numeric>

#include "dataset/hdf5_dataset.hpp"
#include "dataset/hdf5_file.hpp"
#include "dataset/range.hpp"
#include "dataset/record_source.hpp"
#include "job/error.hpp"

namespace shardmill::dataset {

std::int64_t Field::elements() const {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

std::size_t Field::bytes() const { return static_cast<std::size_t>(elements()) * size_of(dtype); }

std::size_t record_bytes(const RecordSource& source) {
  return std::accumulate(source.fields().begin(), source.fields().end(), std::size_t{0},
                         [](std::size_t sum, const Field& field) { return sum + field.bytes(); });
}

namespace {

class Hdf5Source : public RecordSource {
 public:
  explicit Hdf5Source(const job::Dataset& dataset) : file_(open_hdf5(dataset.path)) {
    if (dataset.inputs.empty()) throw DataError("the job names no input of " + dataset.path.string());
    for (const job::Input& input : dataset.inputs) {
      const Hdf5Dataset& added = datasets_.emplace_back(file_.get(), dataset.path, input.name);
      if (added.rows() != datasets_.front().rows())
        throw DataError("dataset '" + input.name + "' of " + dataset.path.string() + " has " +
                        std::to_string(added.rows()) + " records, but '" + dataset.inputs.front().name + "' has " +
                        std::to_string(datasets_.front().rows()));
      fields_.push_back({input.name, added.dtype(), added.row_shape()});
    }
    range_ = apply_range(dataset, datasets_.front().rows());
  }

  std::int64_t records() const override { return range_.last - range_.first; }
  const std::vector<Field>& fields() const override { return fields_; }

  void read(std::size_t field, std::int64_t first, std::int64_t count, void* destination) override {
    SHARDMILL_CHECK(field < datasets_.size(), "no field " + std::to_string(field));
    SHARDMILL_CHECK(
        first >= 0 && count >= 0 && first <= records() - count,
        "records " + std::to_string(first) + " and " + std::to_string(count) + " more of " + std::to_string(records()));
    datasets_[field].read(range_.first + first, count, destination);
  }

 private:
  store::Hdf5Handle file_;
  std::vector<Hdf5Dataset> datasets_;
  std::vector<Field> fields_;
  job::RecordRange range_;
};

}  // namespace

std::unique_ptr<RecordSource> open_source(const job::Dataset& dataset) { return std::make_unique<Hdf5Source>(dataset); }

}  // namespace shardmill::dataset
