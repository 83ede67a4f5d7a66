#include "job/diagnostics.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace shardmill::job {
namespace {

// A file that is wrong from end to end (a data file, say) must not flood the terminal.
constexpr std::size_t max_shown = 100;

std::string join_lines(const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (const Diagnostic& d : diagnostics) {
    if (!text.empty()) text += '\n';
    text += d.to_string();
  }
  return text;
}

auto order(const Diagnostic& d) { return std::tie(d.where.file, d.where.line, d.where.column, d.message); }

}  // namespace

std::string Location::to_string() const {
  std::string shown = file.empty() ? "--set" : file;
  if (line == 0) return shown;
  return shown + ":" + std::to_string(line) + ":" + std::to_string(column);
}

std::string Diagnostic::to_string() const { return where.to_string() + ": " + message; }

JobError::JobError(std::vector<Diagnostic> diagnostics)
    : Error(join_lines(diagnostics), ExitCode::bad_job), diagnostics_(std::move(diagnostics)) {}

void Diagnostics::add(Location where, std::string message) { found_.push_back({std::move(where), std::move(message)}); }

void Diagnostics::throw_if_any() const {
  if (found_.empty()) return;
  std::vector<Diagnostic> sorted = found_;
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return order(a) < order(b); });
  const auto same = [](const auto& a, const auto& b) { return order(a) == order(b); };
  sorted.erase(std::unique(sorted.begin(), sorted.end(), same), sorted.end());
  if (sorted.size() > max_shown) {
    const std::string more = "from here on, " + std::to_string(sorted.size() - max_shown) + " more problems";
    sorted.resize(max_shown + 1);
    sorted.back().message = more;
  }
  throw JobError(std::move(sorted));
}

}  // namespace shardmill::job
