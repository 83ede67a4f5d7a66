#include "infer/parts.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "coordinator/entry.hpp"
#include "store/journal.hpp"
#include "store/run_parts.hpp"

namespace shardmill::infer {
namespace {

struct Span {
  double begin = 0;
  double end = 0;
};

// When the part was running: once for each incarnation, as far as its entries tell.
struct Times {
  std::vector<Span> spans;
  int ranks = 0;

  void operator()(const coordinator::Started& entry) {
    spans.push_back({static_cast<double>(entry.unix_seconds), static_cast<double>(entry.unix_seconds)});
    ranks = entry.ranks;
  }
  void operator()(const coordinator::Committed& entry) { reach(entry.elapsed); }
  void operator()(const coordinator::RankGone& entry) { reach(entry.elapsed); }
  void operator()(const coordinator::Ended& entry) { reach(entry.elapsed); }
  template <typename Timeless>
  void operator()(const Timeless&) {}

  void reach(double elapsed) {
    if (!spans.empty()) spans.back().end = std::max(spans.back().end, spans.back().begin + elapsed);
  }
};

// How long at least one was under way.
double covered(std::vector<Span> spans) {
  std::sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) { return a.begin < b.begin; });
  double sum = 0;
  double reached = 0;
  for (const Span& span : spans) {
    sum += std::max(0.0, span.end - std::max(span.begin, reached));
    reached = std::max(reached, span.end);
  }
  return sum;
}

}  // namespace

std::vector<coordinator::Entry> read_entries(const store::RunFolder& folder) {
  std::vector<coordinator::Entry> entries;
  for (const std::string& line : store::read_journal(store::posix_disk(), folder.journal()).payloads)
    entries.push_back(coordinator::decode(line));
  return entries;
}

std::vector<PartRecord> read_parts(const store::RunFolder& whole) {
  std::vector<PartRecord> parts;
  const int of = store::parts_of(whole).value_or(0);
  for (int index = 1; index <= of; ++index) {
    PartRecord record;
    record.part = {index, of};
    record.folder = store::part_folder(whole, record.part);
    std::error_code error;
    if (std::filesystem::exists(record.folder.journal(), error)) {
      record.running = store::journal_in_use(store::posix_disk(), record.folder.journal());
      record.entries = read_entries(record.folder);
    }
    parts.push_back(std::move(record));
  }
  return parts;
}

std::vector<coordinator::Entry> join_journals(const std::vector<PartRecord>& parts, std::int64_t now) {
  std::vector<coordinator::Entry> joined;
  std::vector<Span> spans;
  coordinator::Gathered sum;
  sum.parts = static_cast<int>(parts.size());
  for (const PartRecord& part : parts) {
    Times times;
    for (const coordinator::Entry& entry : part.entries) {
      std::visit(times, entry);
      if (const auto* opened = std::get_if<coordinator::Opened>(&entry)) {
        if (joined.empty()) {
          joined.emplace_back(*opened);
          std::get<coordinator::Opened>(joined.front()).plan.part = {};
        }
      } else {
        joined.push_back(entry);
      }
    }
    if (times.spans.empty()) continue;
    Span& last = times.spans.back();
    if (part.running) last.end = std::max(last.end, static_cast<double>(now));
    // One that is running, or was cut off and is not resumed yet, must not look as if the next part were its
    // resumption.
    if (!std::holds_alternative<coordinator::Ended>(joined.back()))
      joined.emplace_back(coordinator::Ended{ExitCode::preempted, last.end - last.begin, "", false});
    spans.insert(spans.end(), times.spans.begin(), times.spans.end());
    sum.ranks += times.ranks;
  }
  sum.elapsed = covered(std::move(spans));
  if (!joined.empty()) joined.emplace_back(sum);
  return joined;
}

}  // namespace shardmill::infer
