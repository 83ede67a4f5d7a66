// How a run is going, while it goes. Debian packages no progress-bar library, so the one line is ours.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

namespace shardmill::report {

enum class ProgressStyle { none, lines, bar };  // lines: one every ten seconds, for logs

struct ProgressState {
  std::int64_t records = 0;
  std::int64_t records_done = 0;
  std::int64_t records_done_before = 0;  // by earlier incarnations
  double elapsed = 0;                    // of this incarnation, in seconds
  int ranks_alive = 0;
  std::int64_t faults = 0;
  std::string note;              // what else there is to say: "epoch 3 of 25, loss 0.1234"
  std::string unit = "records";  // what is counted
};

// "[=====>    ]  52%  940/1,797 records  812/s  1.1 s left  3 ranks  1 fault"; width: columns of the terminal.
std::string progress_line(const ProgressState& state, int width);

// One thread.
class Progress {
 public:
  Progress(ProgressStyle style, std::FILE* out) : style_(style), out_(out) {}
  void update(const ProgressState& state, double now);
  // The last state, and an end to the line.
  void finish(const ProgressState& state);
  // A line of text among the progress.
  void say(const std::string& text);

 private:
  ProgressStyle style_;
  std::FILE* out_;
  double last_ = -1e9;
  bool drawn_ = false;
};

}  // namespace shardmill::report
