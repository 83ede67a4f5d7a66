// The journal: one line an entry, appended and synced. Format (docs/file-formats.md):
//
//   <16 hex digits> <payload>\n
//
// The digits are XXH3-64 of the payload, seeded with the checksum of the line before (0 for the first): a line that is
// damaged, lost from the middle, moved or repeated breaks the chain there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/disk.hpp"

namespace shardmill::store {

struct JournalContent {
  std::vector<std::string> payloads;  // of the lines that check out, in order
  std::uint64_t good_bytes = 0;       // their length in the file
  std::uint64_t chain = 0;            // checksum of the last of them
  // Bytes behind them that do not check out: 0, or a line torn by a crash, or damage.
  std::uint64_t bad_bytes = 0;
};

// Reads up to the first line that does not check out. Never throws for what is in the file.
JournalContent parse_journal(std::string_view bytes);
// Throws StoreError if it cannot be read.
JournalContent read_journal(Disk& disk, const std::filesystem::path& path);

// One writer at a time, from one thread.
class Journal {
 public:
  // Opens (or creates) for appending behind what checks out, which is given in content(). A bad tail is cut off, after
  // a copy of it is put beside the journal as `<path>.damaged`. Throws StoreError if another process has it open so.
  Journal(Disk& disk, const std::filesystem::path& path);

  const JournalContent& content() const { return content_; }
  // Those of content(), which has none from then on: a long journal need not stay in memory.
  std::vector<std::string> take_payloads() { return std::exchange(content_.payloads, {}); }
  // Appends all, then syncs once. When it returns they are durable. After a throw every append throws.
  void append(const std::vector<std::string>& payloads);

 private:
  std::unique_ptr<File> file_;
  JournalContent content_;
  std::uint64_t end_ = 0;
  bool broken_ = false;  // an append has failed: what is in the file is not known
  std::uint64_t chain_ = 0;
};

// True if a process has the journal open for appending: the run is alive. Throws StoreError if there is no journal.
bool journal_in_use(Disk& disk, const std::filesystem::path& path);

}  // namespace shardmill::store
