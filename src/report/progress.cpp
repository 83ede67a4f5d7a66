#include "report/progress.hpp"

#include <algorithm>

#include "report/summary.hpp"

namespace shardmill::report {

std::string progress_line(const ProgressState& state, int width) {
  const double share =
      state.records == 0 ? 1.0 : static_cast<double>(state.records_done) / static_cast<double>(state.records);
  const auto done_here = static_cast<double>(state.records_done - state.records_done_before);
  const double rate = state.elapsed > 0 ? done_here / state.elapsed : 0;
  char percent[8];
  std::snprintf(percent, sizeof percent, "%3d%%", static_cast<int>(share * 100));
  std::string text = std::string(percent) + "  " + with_commas(state.records_done) + "/" + with_commas(state.records) +
                     " " + state.unit;
  if (rate > 0) {
    if (rate >= 1) text += "  " + with_commas(static_cast<std::int64_t>(rate)) + "/s";
    const auto left = static_cast<double>(state.records - state.records_done);
    if (left > 0) text += "  " + seconds_text(left / rate) + " left";
  }
  text += "  " + std::to_string(state.ranks_alive) + (state.ranks_alive == 1 ? " rank" : " ranks");
  if (state.faults > 0) text += "  " + with_commas(state.faults) + (state.faults == 1 ? " fault" : " faults");
  if (!state.note.empty()) text += "  " + state.note;

  const int room = std::min(30, width - static_cast<int>(text.size()) - 5);
  if (room < 5) return text;
  const int filled = static_cast<int>(share * room);
  std::string bar(static_cast<std::size_t>(filled), '=');
  if (filled < room) bar += '>';
  bar.resize(static_cast<std::size_t>(room), ' ');
  return "[" + bar + "] " + text;
}

void Progress::update(const ProgressState& state, double now) {
  if (style_ == ProgressStyle::none) return;
  if (now - last_ < (style_ == ProgressStyle::bar ? 0.1 : 10.0)) return;
  if (style_ == ProgressStyle::lines && last_ < 0) {
    last_ = now;  // not a line at the very start, where nothing can be said yet
    return;
  }
  last_ = now;
  const std::string line = progress_line(state, 100);
  std::fputs((style_ == ProgressStyle::bar ? "\r\033[K" + line : line + "\n").c_str(), out_);
  std::fflush(out_);
  drawn_ = style_ == ProgressStyle::bar;
}

void Progress::finish(const ProgressState& state) {
  if (style_ == ProgressStyle::none) return;
  const std::string line = progress_line(state, 100);
  std::fputs(((style_ == ProgressStyle::bar ? "\r\033[K" : "") + line + "\n").c_str(), out_);
  std::fflush(out_);
  drawn_ = false;
}

void Progress::say(const std::string& text) {
  if (style_ == ProgressStyle::none) return;
  std::fputs(((drawn_ ? "\r\033[K" : "") + text + "\n").c_str(), out_);
  std::fflush(out_);
  drawn_ = false;
}

}  // namespace shardmill::report
