// The curves of a run: metrics.csv in its folder, a line a value, and TensorBoard's event files beside it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "report/event_file.hpp"

namespace shardmill::train {

// One thread. What goes wrong with this file does not stop a run: it is not needed to go on.
class MetricsLog {
 public:
  MetricsLog() = default;
  // Goes on with metrics.csv behind the lines of steps up to `step`; what is there of later steps is about to be
  // repeated.
  void open(const std::filesystem::path& folder, std::int64_t step);
  void step(std::int64_t step, std::int64_t epoch, double loss, double learning_rate, double gradient_norm,
            double seconds);
  void evaluation(std::int64_t step, std::int64_t epoch, const std::vector<std::pair<std::string, double>>& metrics);
  // To the file, for who looks at it while the run goes on; the process may leave without closing it.
  void flush();

 private:
  void value(std::int64_t step, std::int64_t epoch, const char* kind, const std::string& name, double value);

  std::ofstream file_;
  report::EventFile events_;
};

}  // namespace shardmill::train
