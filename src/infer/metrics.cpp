#include "infer/metrics.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "dataset/record_source.hpp"
#include "job/error.hpp"

namespace shardmill::infer {
namespace {

template <typename T>
void widen(const std::vector<char>& bytes, std::vector<double>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    values[i] = static_cast<double>(value);
  }
}

std::vector<double> read_output(store::Results& results, const std::string& name) {
  const auto& outputs = results.layout().outputs;
  const auto found =
      std::find_if(outputs.begin(), outputs.end(), [&](const auto& output) { return output.name == name; });
  if (found == outputs.end()) throw StoreError("the results have no output '" + name + "'");
  std::int64_t elements = 1;
  for (const std::int64_t extent : found->shape) elements *= extent;
  if (elements != 1)
    throw DataError("metrics need an output of one value a record; '" + name + "' has " + std::to_string(elements));
  const std::int64_t records = results.layout().records;
  std::vector<char> bytes(static_cast<std::size_t>(records) * found->row_bytes());
  results.read_rows(static_cast<std::size_t>(found - outputs.begin()), 0, records, bytes.data());
  std::vector<double> values(static_cast<std::size_t>(records));
  switch (found->dtype) {
    case DType::boolean:
    case DType::uint8:
      widen<std::uint8_t>(bytes, values);
      break;
    case DType::int8:
      widen<std::int8_t>(bytes, values);
      break;
    case DType::uint16:
      widen<std::uint16_t>(bytes, values);
      break;
    case DType::int16:
      widen<std::int16_t>(bytes, values);
      break;
    case DType::uint32:
      widen<std::uint32_t>(bytes, values);
      break;
    case DType::int32:
      widen<std::int32_t>(bytes, values);
      break;
    case DType::uint64:
      widen<std::uint64_t>(bytes, values);
      break;
    case DType::int64:
      widen<std::int64_t>(bytes, values);
      break;
    case DType::float32:
      widen<float>(bytes, values);
      break;
    case DType::float64:
      widen<double>(bytes, values);
      break;
    case DType::float16:
    case DType::bfloat16:
      throw DataError("metrics need an output of whole numbers, float32 or float64; '" + name + "' is " +
                      std::string(name_of(found->dtype)));
  }
  return values;
}

double error_of(job::MetricType type, double predicted, double target) {
  switch (type) {
    case job::MetricType::accuracy:
      return predicted == target ? 1 : 0;
    case job::MetricType::mean_absolute_error:
      return std::abs(predicted - target);
    case job::MetricType::mean_squared_error:
      return (predicted - target) * (predicted - target);
  }
  return 0;
}

}  // namespace

std::vector<std::pair<std::string, double>> compute_metrics(const job::Job& job, store::Results& results) {
  std::vector<std::pair<std::string, double>> metrics;
  if (job.metrics.empty()) return metrics;
  const auto status = results.read_status(0, results.layout().records);
  for (const job::Metric& metric : job.metrics) {
    const std::vector<double> predicted = read_output(results, metric.output);
    const std::vector<double> target = dataset::read_column(job.dataset, metric.target);
    const std::vector<double> mask =
        metric.mask ? dataset::read_column(job.dataset, *metric.mask) : std::vector<double>();
    double sum = 0;
    std::int64_t count = 0;
    for (std::size_t i = 0; i < predicted.size(); ++i) {
      if (status[i] != store::RecordStatus::done || (!mask.empty() && mask[i] == 0)) continue;
      sum += error_of(metric.type, predicted[i], target[i]);
      ++count;
    }
    metrics.emplace_back(metric.name,
                         count > 0 ? sum / static_cast<double>(count) : std::numeric_limits<double>::quiet_NaN());
  }
  return metrics;
}

}  // namespace shardmill::infer
