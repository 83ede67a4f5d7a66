#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "coordinator/entry.hpp"
#include "job/error.hpp"

namespace shardmill::coordinator {
namespace {

const std::string hostile =
    std::string("a b=c,d:e%20%zz\n\r\t\"'\\ committed shard=1 \xff\xfe \xc3\xa4") + '\0' + "end";

std::vector<Entry> every_kind() {
  return {
      Opened{1, {1797, 60}, "job", "data", ""},
      Opened{1, {1797, 60, {2, 3}}, "job", "data", "model"},
      Opened{1, {0, 1}, hostile, hostile, hostile},
      Started{3, 10'000, 1'700'000'000, 3},
      Ahead{96},
      Committed{12, 2, 3, 0xc0ffee00c0ffeeULL, 0.125, {{17, "NaN in 'label'"}, {18, hostile}, {19, ""}}},
      Committed{0, 1, 0, std::numeric_limits<std::uint64_t>::max(), 1.0 / 3.0, {}},
      Committed{0, 1, 0, 0, 1e300, {}},
      Committed{0, 1, 0, 0, 5e-324, {}},
      Advanced{1, 30, {}},
      Advanced{std::numeric_limits<std::int64_t>::max(), 30, {{0, hostile}}},
      AttemptLost{4, 1, 12, true, hostile},
      AttemptLost{4, -1, -1, false, ""},
      AttemptLost{4, every_rank, 3, true, "cut off"},
      Begun{3, 12, 64, true},
      Begun{3, 12, -1, false},
      Suspected{7},
      RankGone{5, 12.000000001, "signal 9"},
      Ended{ExitCode::preempted, 1e-9, "walltime"},
      Ended{ExitCode::quarantined, 0, hostile},
      Gathered{3, 12, 1.0 / 3.0},
  };
}

TEST(Entry, ReadsBackAsItWasWritten) {
  for (const Entry& entry : every_kind()) {
    const std::string line = encode(entry);
    EXPECT_EQ(line.find('\n'), std::string::npos) << line;
    EXPECT_EQ(line.find('\0'), std::string::npos) << line;
    EXPECT_TRUE(decode(line) == entry) << line;
  }
}

TEST(Entry, IsReadable) {
  EXPECT_EQ(encode(Committed{12, 1, 3, 0xc0ffee, 0.125, {{17, "NaN in 'label'"}}}),
            "committed shard=12 attempts=1 rank=3 checksum=0000000000c0ffee seconds=0.125 elapsed=0 "
            "bad=17:NaN%20in%20'label'");
}

TEST(Entry, CutAnywhereIsRefusedOrAnEntryButNeverACrash) {
  for (const Entry& entry : every_kind()) {
    const std::string line = encode(entry);
    for (std::size_t length = 0; length < line.size(); ++length) {
      try {
        static_cast<void>(decode(line.substr(0, length)));
      } catch (const StoreError&) {
      }
    }
  }
}

TEST(Entry, RandomDamageIsRefusedOrAnEntryButNeverACrash) {
  std::mt19937 random(1);
  const auto entries = every_kind();
  for (int i = 0; i < 20'000; ++i) {
    std::string line = encode(entries[random() % entries.size()]);
    for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
      line[random() % line.size()] = static_cast<char>(random());
    }
    try {
      static_cast<void>(decode(line));
    } catch (const StoreError&) {
    }
  }
}

TEST(Entry, RefusesWhatItDoesNotKnow) {
  for (const char* line : {"",
                           " ",
                           "=",
                           "resumed x=1",
                           "started",
                           "started incarnation=1 ranks=2",
                           "started incarnation=1 ranks=2 unix=x",
                           "started incarnation=1 ranks=2 unix=12x",
                           "started incarnation= ranks=2 unix=1",
                           "started  incarnation=1",
                           "started incarnation=99999999999 ranks=2 unix=1",
                           "advanced shard=1",
                           "advanced shard durable=1",
                           "advanced shard=1 durable=2 bad=3",
                           "advanced shard=1 durable=2 bad=x:y",
                           "advanced shard=1 durable=2 bad=1:%",
                           "advanced shard=1 durable=2 bad=1:%4",
                           "advanced shard=1 durable=2 bad=1:%zz",
                           "ended outcome=0 message=",
                           "ended outcome=99 elapsed=0 message=",
                           "opened version=2 records=1 shard_size=1 job= dataset= model=",
                           "opened version=1 records=-1 shard_size=1 job= dataset= model=",
                           "opened version=1 records=1 shard_size=0 job= dataset= model=",
                           "committed shard=1 attempts=1 rank=0 checksum=xyz seconds=1",
                           "committed shard=1 attempts=1 rank=0 checksum=10112233445566778 seconds=1"}) {
    EXPECT_THROW(decode(line), StoreError) << line;
  }
}

TEST(Entry, TheRefusalQuotesNoMoreThanALine) {
  try {
    decode(std::string(100'000, 'x'));
    FAIL();
  } catch (const StoreError& error) {
    EXPECT_LT(std::string(error.what()).size(), 300U);
  }
}

}  // namespace
}  // namespace shardmill::coordinator
