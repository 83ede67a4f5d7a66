#include <algorithm>

#include <gtest/gtest.h>

#include "store/journal.hpp"
#include "store_scratch.hpp"

namespace shardmill::store {
namespace {

using Lines = std::vector<std::string>;

const Lines entries = {"opened version=1", "started incarnation=1", "", "committed shard=0 bad=1:%0a",
                       "ended outcome=0"};

bool is_prefix(const Lines& part, const Lines& whole) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

std::string written(const Scratch& scratch, const Lines& lines) {
  Journal(posix_disk(), scratch / "journal").append(lines);
  return slurp(scratch / "journal");
}

TEST(Journal, KeepsWhatIsAppendedAndGoesOnBehindIt) {
  const Scratch scratch;
  {
    Journal journal(posix_disk(), scratch / "journal");
    EXPECT_TRUE(journal.content().payloads.empty());
    journal.append({entries[0]});
    journal.append({});
    journal.append({entries[1], entries[2]});
  }
  {
    Journal journal(posix_disk(), scratch / "journal");
    EXPECT_EQ(journal.content().payloads, (Lines{entries[0], entries[1], entries[2]}));
    EXPECT_EQ(journal.take_payloads(), (Lines{entries[0], entries[1], entries[2]}));
    EXPECT_TRUE(journal.content().payloads.empty());
    journal.append({entries[3], entries[4]});
  }
  const JournalContent content = read_journal(posix_disk(), scratch / "journal");
  EXPECT_EQ(content.payloads, entries);
  EXPECT_EQ(content.bad_bytes, 0U);
  EXPECT_EQ(content.good_bytes, std::filesystem::file_size(scratch / "journal"));
  EXPECT_FALSE(std::filesystem::exists(scratch / "journal.damaged"));
}

TEST(Journal, RefusesAnEntryOfTwoLines) {
  const Scratch scratch;
  Journal journal(posix_disk(), scratch / "journal");
  EXPECT_THROW(journal.append({"one\ntwo"}), CheckFailure);
}

TEST(Journal, CutAnywhereReadsUpToTheLastWholeLine) {
  const Scratch scratch;
  const std::string bytes = written(scratch, entries);
  for (std::size_t length = 0; length <= bytes.size(); ++length) {
    const JournalContent content = parse_journal(std::string_view(bytes).substr(0, length));
    EXPECT_TRUE(is_prefix(content.payloads, entries));
    const auto lines = std::count(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length), '\n');
    EXPECT_EQ(std::ssize(content.payloads), lines) << length;
    EXPECT_EQ(content.good_bytes + content.bad_bytes, length);
  }
}

TEST(Journal, ChangedAnywhereIsReadUpToThereAtMost) {
  const Scratch scratch;
  const std::string bytes = written(scratch, entries);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      const JournalContent content = parse_journal(damaged);
      EXPECT_TRUE(is_prefix(content.payloads, entries)) << at << ' ' << bit;
    }
  }
}

TEST(Journal, LinesRemovedRepeatedOrSwappedBreakTheChain) {
  const Scratch scratch;
  const std::string bytes = written(scratch, entries);
  Lines lines;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t end = bytes.find('\n', at) + 1;
    lines.push_back(bytes.substr(at, end - at));
    at = end;
  }
  ASSERT_EQ(lines.size(), entries.size());
  EXPECT_EQ(parse_journal(lines[0] + lines[2]).payloads.size(), 1U);
  EXPECT_EQ(parse_journal(lines[1]).payloads.size(), 0U);
  EXPECT_EQ(parse_journal(lines[0] + lines[0]).payloads.size(), 1U);
  EXPECT_EQ(parse_journal(lines[0] + lines[1] + lines[3] + lines[2]).payloads.size(), 2U);
}

TEST(Journal, ABadTailIsPutAsideAndTheJournalGoesOn) {
  const Scratch scratch;
  const std::string bytes = written(scratch, entries);
  spit(scratch / "journal", bytes + "0123456789abcdef half a li");
  {
    Journal journal(posix_disk(), scratch / "journal");
    EXPECT_EQ(journal.content().payloads, entries);
    EXPECT_EQ(journal.content().bad_bytes, 26U);
    journal.append({"more"});
  }
  EXPECT_EQ(slurp(scratch / "journal.damaged"), "0123456789abcdef half a li");
  Lines all = entries;
  all.emplace_back("more");
  EXPECT_EQ(read_journal(posix_disk(), scratch / "journal").payloads, all);
}

TEST(Journal, ASecondWriterIsRefusedAndAReaderIsNot) {
  const Scratch scratch;
  EXPECT_NE(refusal_of([&] { journal_in_use(posix_disk(), scratch / "journal"); }), "");
  {
    Journal journal(posix_disk(), scratch / "journal");
    journal.append(entries);
    const std::string why = refusal_of([&] { Journal(posix_disk(), scratch / "journal"); });
    EXPECT_NE(why.find("another process is running this job"), std::string::npos) << why;
    EXPECT_EQ(read_journal(posix_disk(), scratch / "journal").payloads, entries);
    EXPECT_TRUE(journal_in_use(posix_disk(), scratch / "journal"));
  }
  EXPECT_FALSE(journal_in_use(posix_disk(), scratch / "journal"));
}

TEST(Journal, WhicheverCallFailsWhatWasDurableStays) {
  // 0: opening; the rest: appending.
  for (int n = 1; n <= 4; ++n) {
    const Scratch scratch;
    written(scratch, {entries[0], entries[1]});
    FaultyDisk disk(n);
    const std::string why = refusal_of([&] {
      Journal journal(disk, scratch / "journal");
      journal.append({entries[2], entries[3]});
    });
    EXPECT_NE(why.find("No space left"), std::string::npos) << n;
    const Lines now = Journal(posix_disk(), scratch / "journal").content().payloads;
    EXPECT_TRUE(is_prefix(now, entries));
    EXPECT_GE(now.size(), 2U);
  }
}

TEST(Journal, ABadTailThatCannotBePutAsideIsLeftWhereItIs) {
  const Scratch scratch;
  const std::string bytes = written(scratch, entries) + "torn";
  spit(scratch / "journal", bytes);
  for (int n = 1; n <= 5; ++n) {
    FaultyDisk disk(n);
    EXPECT_NE(refusal_of([&] { Journal(disk, scratch / "journal"); }), "");
    EXPECT_EQ(slurp(scratch / "journal"), bytes);
  }
}

}  // namespace
}  // namespace shardmill::store
