#include "store/journal.hpp"

#include <charconv>
#include <chrono>
#include <cstdio>
#include <thread>
#include <utility>

#include <xxhash.h>

#include "job/crash_point.hpp"
#include "job/error.hpp"

namespace shardmill::store {
namespace {

constexpr std::size_t digits = 16;

std::uint64_t checksum(std::string_view payload, std::uint64_t chain) {
  return XXH3_64bits_withSeed(payload.data(), payload.size(), chain);
}

}  // namespace

JournalContent parse_journal(std::string_view bytes) {
  JournalContent content;
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::size_t end = bytes.find('\n', at);
    if (end == std::string_view::npos) break;
    const std::string_view line = bytes.substr(at, end - at);
    if (line.size() <= digits || line[digits] != ' ') break;
    std::uint64_t written = 0;
    const auto [stop, error] = std::from_chars(line.data(), line.data() + digits, written, 16);
    if (error != std::errc() || stop != line.data() + digits) break;
    const std::string_view payload = line.substr(digits + 1);
    if (checksum(payload, content.chain) != written) break;
    content.payloads.emplace_back(payload);
    content.chain = written;
    at = end + 1;
  }
  content.good_bytes = at;
  content.bad_bytes = bytes.size() - at;
  return content;
}

JournalContent read_journal(Disk& disk, const std::filesystem::path& path) {
  return parse_journal(read_file(disk, path));
}

Journal::Journal(Disk& disk, const std::filesystem::path& path) : file_(disk.open(path, Open::create)) {
  // `status` takes the lock for a moment to see whether it is free, and a coordinator that was killed a moment ago
  // gives its up late: one refusal is no proof.
  bool locked = file_->try_lock();
  for (int tries = 0; !locked && tries < 300; ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    locked = file_->try_lock();
  }
  if (!locked) {
    throw StoreError("another process is running this job (it has " + path.string() +
                     " open); wait for it or stop it first");
  }
  std::string bytes(file_->size(), '\0');
  file_->read_at(0, bytes.data(), bytes.size());
  content_ = parse_journal(bytes);
  if (content_.bad_bytes > 0) {
    write_file(disk, path.string() + ".damaged", std::string_view(bytes).substr(content_.good_bytes));
    file_->truncate(content_.good_bytes);
    file_->sync();
  }
  disk.sync_folder(path.parent_path());
  end_ = content_.good_bytes;
  chain_ = content_.chain;
}

void Journal::append(const std::vector<std::string>& payloads) {
  if (payloads.empty()) return;
  if (std::exchange(broken_, true))
    throw StoreError("the journal could not be written before, and is not written again");
  std::string lines;
  for (const std::string& payload : payloads) {
    SHARDMILL_CHECK(payload.find('\n') == std::string::npos, "a journal entry is one line");
    chain_ = checksum(payload, chain_);
    char sum[digits + 1];
    std::snprintf(sum, sizeof sum, "%016llx", static_cast<unsigned long long>(chain_));
    lines += sum;
    lines += ' ';
    lines += payload;
    lines += '\n';
  }
  crash_point("before-journal-write");
  file_->write_at(end_, lines.data(), lines.size());
  end_ += lines.size();
  crash_point("before-journal-sync");
  file_->sync();
  broken_ = false;
  crash_point("after-journal-sync");
}

bool journal_in_use(Disk& disk, const std::filesystem::path& path) { return !disk.open(path, Open::read)->try_lock(); }

}  // namespace shardmill::store
