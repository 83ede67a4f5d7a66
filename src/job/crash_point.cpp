#include "job/crash_point.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <string_view>

#include <unistd.h>

#include "job/error.hpp"

namespace shardmill {
namespace {

struct Armed {
  std::string point;
  int nth = 1;
  int signal = SIGKILL;
  std::atomic<int> passages{0};
};

constexpr std::size_t most_armed = 16;
std::array<Armed, most_armed> armed;
std::atomic<std::size_t> armed_count{0};

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

int number(std::string_view text, std::string_view whole) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) {
    throw UsageError("SHARDMILL_CRASH_AT: '" + std::string(text) + "' in '" + std::string(whole) + "' is not a number");
  }
  return value;
}

}  // namespace

const std::vector<std::string>& crash_point_names() {
  static const std::vector<std::string> names = {
      "after-lease",           // a rank has taken up a lease, nothing read yet
      "after-read",            // a batch is read
      "mid-batch",             // before the forward pass of a batch
      "before-write",          // a batch is computed, nothing of it written
      "after-write",           // rows are written (pwrite), not synced
      "after-sync",            // rows are synced, nobody told
      "after-report",          // the coordinator has been told
      "before-journal-write",  // the coordinator: entries accepted, nothing written
      "before-journal-sync",   // the coordinator: written, not synced
      "after-journal-sync",    // the coordinator: durable, not acted upon
      "before-results",        // the coordinator: before results.h5 is created
      "during-results",        // the coordinator: created under its temporary name
      "after-results",         // the coordinator: renamed, not in the journal yet
      "during-replay",         // the coordinator: a journal has been read, nothing started
      "during-failover",       // a survivor: the coordinator is dead, the next one not chosen
      "before-done",           // the coordinator: all shards committed, the done mark not written
      "after-done",            // the coordinator: the done mark is durable, no rank told
  };
  return names;
}

void arm_crash_points(int rank) {
  const char* text = std::getenv("SHARDMILL_CRASH_AT");
  if (text == nullptr || *text == '\0') return;
  std::size_t count = 0;
  for (const std::string_view item : split(text, ',')) {
    const auto parts = split(item, ':');
    if (parts.size() < 3 || parts.size() > 4) {
      throw UsageError("SHARDMILL_CRASH_AT: '" + std::string(item) + "' is not point:rank:nth[:SIGKILL|SIGSTOP]");
    }
    const auto& names = crash_point_names();
    if (std::find(names.begin(), names.end(), parts[0]) == names.end()) {
      throw UsageError("SHARDMILL_CRASH_AT: there is no crash point '" + std::string(parts[0]) + "'");
    }
    const int nth = number(parts[2], item);
    int signal = SIGKILL;
    if (parts.size() == 4 && parts[3] == "SIGSTOP") {
      signal = SIGSTOP;
    } else if (parts.size() == 4 && parts[3] != "SIGKILL") {
      throw UsageError("SHARDMILL_CRASH_AT: '" + std::string(parts[3]) + "' is not SIGKILL or SIGSTOP");
    }
    if (parts[1] != "*" && number(parts[1], item) != rank) continue;
    if (count == most_armed) throw UsageError("SHARDMILL_CRASH_AT: more than 16 crash points");
    armed[count].point = parts[0];
    armed[count].nth = nth;
    armed[count].signal = signal;
    armed[count].passages = 0;
    ++count;
  }
  armed_count = count;
}

void crash_point(const char* name) {
  const std::size_t count = armed_count.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < count; ++i) {
    if (armed[i].point == name && ++armed[i].passages == armed[i].nth) ::kill(::getpid(), armed[i].signal);
  }
}

}  // namespace shardmill
