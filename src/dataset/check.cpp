// What `shardmill validate` finds wrong with a job's dataset, all at once.
#include <filesystem>

#include "dataset/batch_order.hpp"
#include "dataset/column.hpp"
#include "dataset/hdf5_dataset.hpp"
#include "dataset/hdf5_file.hpp"
#include "dataset/range.hpp"
#include "dataset/record_source.hpp"
#include "job/error.hpp"

namespace shardmill::dataset {

namespace {

class Check {
 public:
  Check(const job::Job& job, job::Diagnostics& diagnostics) : job_(job), diagnostics_(diagnostics) {}

  void run() {
    try {
      file_ = open_hdf5(job_.dataset.path);
    } catch (const DataError& error) {
      add("dataset.path", error.what());
      return;
    }
    for (std::size_t i = 0; i < job_.dataset.inputs.size(); ++i)
      look_at(job_.dataset.inputs[i].name, "dataset.inputs[" + std::to_string(i) + "]", false);
    if (job_.batch_by == job::BatchBy::length) check_length();
    for (const std::string& target : job_.train.targets) look_at(target, "dataset.target", false);
    if (job_.train.split.mask) look_at(*job_.train.split.mask, "dataset.split.mask", true);
    for (std::size_t i = 0; i < job_.metrics.size(); ++i) {
      const std::string key = "metrics[" + std::to_string(i) + "].";
      look_at(job_.metrics[i].target, key + "target", true);
      if (job_.metrics[i].mask) look_at(*job_.metrics[i].mask, key + "mask", true);
    }
    if (rows_) count_records();
  }

 private:
  void add(const std::string& key, const std::string& message) { diagnostics_.add(job_.where(key), message); }

  void look_at(const std::string& name, const std::string& key, bool is_column) {
    try {
      const Hdf5Dataset dataset(file_.get(), job_.dataset.path, name);
      const auto problem = is_column ? column_problem(dataset) : std::nullopt;
      if (problem) add(key, "dataset '" + name + "' " + *problem);
      if (!rows_) {
        rows_ = dataset.rows();
        first_ = name;
      } else if (dataset.rows() != *rows_) {
        add(key, "dataset '" + name + "' has " + std::to_string(dataset.rows()) + " records, but '" + first_ +
                     "' has " + std::to_string(*rows_));
      }
    } catch (const DataError& error) {
      add(key, error.what());
    }
  }

  void check_length() {
    try {
      BatchOrder(job_, *open_source(job_.dataset));
    } catch (const LengthError& error) {
      add(job_.length_from ? "length_from" : "batch_by", error.what());
    } catch (const DataError&) {
      // The inputs have been looked at already.
    }
  }

  void count_records() {
    const auto& range = job_.dataset.range;
    const auto problem = range ? range_problem(*range, *rows_) : std::nullopt;
    if (problem)
      add("dataset.range", *problem);
    else if (*rows_ == 0)
      add("dataset.path", "dataset '" + first_ + "' of " + job_.dataset.path.string() + " has no records");
    else if (range && range->first == range->last)
      add("dataset.range", "the range has no records");
  }

  const job::Job& job_;
  job::Diagnostics& diagnostics_;
  store::Hdf5Handle file_;
  std::optional<std::int64_t> rows_;  // of the first dataset that could be opened
  std::string first_;
};

}  // namespace

void check(const job::Job& job, job::Diagnostics& diagnostics) { Check(job, diagnostics).run(); }

}  // namespace shardmill::dataset
