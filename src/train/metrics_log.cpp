#include "train/metrics_log.hpp"

#include <charconv>
#include <chrono>
#include <cstdio>

namespace shardmill::train {
namespace {

constexpr const char* header = "step,epoch,kind,name,value";

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

void MetricsLog::open(const std::filesystem::path& folder, std::int64_t step) {
  const std::filesystem::path path = folder / "metrics.csv";
  std::string kept = std::string(header) + "\n";
  std::ifstream old(path);
  for (std::string line; std::getline(old, line);) {
    std::int64_t of = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), of);
    // A line that a crash has cut has no value behind its last comma.
    if (error == std::errc() && *end == ',' && of <= step && line.back() != ',') kept += line + "\n";
  }
  old.close();
  const std::filesystem::path temporary = path.string() + ".tmp";
  std::ofstream(temporary, std::ios::trunc) << kept;
  std::error_code failed;
  std::filesystem::rename(temporary, path, failed);
  file_ = std::ofstream(path, std::ios::app);
  std::filesystem::create_directory(folder / "tensorboard", failed);
  events_ = report::EventFile(folder / "tensorboard", unix_seconds());
}

void MetricsLog::value(std::int64_t step, std::int64_t epoch, const char* kind, const std::string& name, double value) {
  if (file_) file_ << step << ',' << epoch << ',' << kind << ',' << name << ',' << number(value) << '\n';
  events_.scalar(std::string(kind) + "/" + name, step, value, unix_seconds());
}

void MetricsLog::step(std::int64_t step, std::int64_t epoch, double loss, double learning_rate, double gradient_norm,
                      double seconds) {
  value(step, epoch, "train", "loss", loss);
  value(step, epoch, "train", "learning_rate", learning_rate);
  if (gradient_norm > 0) value(step, epoch, "train", "gradient_norm", gradient_norm);
  value(step, epoch, "train", "seconds", seconds);
}

void MetricsLog::evaluation(std::int64_t step, std::int64_t epoch,
                            const std::vector<std::pair<std::string, double>>& metrics) {
  for (const auto& [name, of] : metrics) value(step, epoch, "validation", name, of);
  flush();
}

void MetricsLog::flush() {
  file_.flush();
  events_.flush();
}

}  // namespace shardmill::train
