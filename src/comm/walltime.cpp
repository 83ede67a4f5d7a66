#include "comm/walltime.hpp"

#include <chrono>
#include <cstdlib>

namespace shardmill::comm {
namespace {

constexpr double stop_before_by_default = 60;

std::optional<double> number(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == '\0') return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  if (*end != '\0' || !(value > 0)) return std::nullopt;
  return value;
}

}  // namespace

std::optional<double> seconds_to_stop() {
  const auto end = number("SLURM_JOB_END_TIME");
  if (!end) return std::nullopt;
  const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  return *end - number("SHARDMILL_STOP_BEFORE").value_or(stop_before_by_default) - now;
}

}  // namespace shardmill::comm
