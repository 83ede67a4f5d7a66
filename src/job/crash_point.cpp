#include "job/crash_point.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <optional>
#include <string_view>

#include <unistd.h>

#include "job/disk_fault.hpp"
#include "job/error.hpp"
#include "job/fault_text.hpp"

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

struct Spec {
  std::string point;
  std::optional<int> rank;  // none: any
  int nth = 1;
  int signal = SIGKILL;
};

std::vector<Spec> parse(std::string_view text) {
  std::vector<Spec> specs;
  if (text.empty()) return specs;
  for (const std::string_view item : split_text(text, ',')) {
    const auto parts = split_text(item, ':');
    if (parts.size() < 3 || parts.size() > 4) {
      throw UsageError("'" + std::string(item) + "' is not point:rank:nth[:SIGKILL|SIGSTOP]");
    }
    Spec spec;
    spec.point = parts[0];
    const auto& names = crash_point_names();
    if (std::find(names.begin(), names.end(), spec.point) == names.end()) {
      throw UsageError("there is no crash point '" + spec.point + "'");
    }
    if (parts[1] != "*") spec.rank = fault_number(parts[1], item);
    spec.nth = fault_number(parts[2], item);
    if (parts.size() == 4 && parts[3] == "SIGSTOP") {
      spec.signal = SIGSTOP;
    } else if (parts.size() == 4 && parts[3] != "SIGKILL") {
      throw UsageError("'" + std::string(parts[3]) + "' is not SIGKILL or SIGSTOP");
    }
    specs.push_back(std::move(spec));
    if (specs.size() > most_armed) throw UsageError("more than 16 crash points");
  }
  return specs;
}

}  // namespace

const std::vector<std::string>& crash_point_names() {
  static const std::vector<std::string> names = {
      "after-lease",               // a rank has taken up a lease, nothing read yet
      "after-read",                // a batch is read
      "mid-batch",                 // before the forward pass of a batch
      "before-write",              // a batch is computed, nothing of it written
      "after-write",               // rows are written (pwrite), not synced
      "after-sync",                // rows are synced, nobody told
      "after-report",              // the coordinator has been told
      "before-journal-write",      // the coordinator: entries accepted, nothing written
      "before-journal-sync",       // the coordinator: written, not synced
      "after-journal-sync",        // the coordinator: durable, not acted upon
      "before-results",            // the coordinator: before results.h5 is created
      "during-results",            // the coordinator: created under its temporary name
      "after-results",             // the coordinator: renamed, not in the journal yet
      "during-replay",             // the coordinator: a journal has been read, nothing started
      "during-failover",           // a survivor: the coordinator is dead, the next one not chosen
      "before-done",               // the coordinator: all shards committed, the done mark not written
      "after-done",                // the coordinator: the done mark is durable, no rank told
      "checkpoint-during-write",   // the coordinator's writer: made under a temporary name, without the tensors
      "checkpoint-before-rename",  // the coordinator's writer: whole and durable under its temporary name
      "checkpoint-after-rename",   // the coordinator's writer: durable, not in the journal
      "checkpoint-before-prune",   // the coordinator: in the journal, no link leads to it, nothing is deleted
      "checkpoint-during-prune",   // the coordinator: the links lead to it, nothing is deleted
      "train-before-state",        // training: a peer's state is about to be sent or received
      "train-after-state",         // training: a peer's state has been received
      "train-before-deal",  // training, the coordinator: all have said where they stand, nobody is told who does what
      "train-begin-step",   // training: before the first logical shard of a step
      "train-before-backward",   // training: after a forward pass
      "train-after-shard",       // training: a logical shard's gradient is there
      "train-before-exchange",   // training: all logical shards of this rank are there
      "train-mid-exchange",      // training: the others' pieces are there, nothing summed yet
      "train-before-agreement",  // training, optimizer_sharding: this rank's sums are there, those of others may not be
      "train-before-update",     // training: the sum is there, the parameters are old
      "train-before-sharing",    // training, optimizer_sharding: this rank's slices are updated, nobody has been sent
                                 // them
      "train-after-update",      // training: the step is committed on this rank
      "train-mid-evaluation",    // training: this rank's validation records are looked at, nobody is told
  };
  return names;
}

void check_crash_points(const std::string& text) { static_cast<void>(parse(text)); }

void arm_crash_points(int rank) {
  std::size_t count = 0;
  try {
    for (const Spec& spec : parse(environment_text("SHARDMILL_CRASH_AT"))) {
      if (rank < 0 || (spec.rank && *spec.rank != rank)) continue;
      armed[count].point = spec.point;
      armed[count].nth = spec.nth;
      armed[count].signal = spec.signal;
      armed[count].passages = 0;
      ++count;
    }
  } catch (const UsageError& error) {
    throw UsageError(std::string("SHARDMILL_CRASH_AT: ") + error.what());
  }
  armed_count = count;
}

void check_fault_environment() {
  arm_crash_points(-1);
  arm_disk_faults(-1);
}

void crash_point(const char* name) {
  const std::size_t count = armed_count.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < count; ++i) {
    if (armed[i].point == name && ++armed[i].passages == armed[i].nth) ::kill(::getpid(), armed[i].signal);
  }
}

}  // namespace shardmill
