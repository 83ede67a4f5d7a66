#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "infer/lease_log.hpp"
#include "temp_folder.hpp"

namespace shardmill::infer {
namespace {

comm::Lease lease_of(std::int64_t shard, bool again = false) {
  comm::Lease lease;
  lease.shard = shard;
  lease.attempt = 7;
  lease.again = again ? 1 : 0;
  return lease;
}

TEST(LeaseLog, TellsTheFirstOfASecondAndHowManyMoreThereWere) {
  const test::TempFolder folder;
  report::open_log(folder / "log");
  LeaseLog log;
  const LeaseLog::Time start{std::chrono::hours(1)};
  log.turn(start);
  for (int shard = 0; shard < 50; ++shard) log.add(lease_of(99 - shard));
  log.add(lease_of(3, /*again=*/true));
  log.turn(start + std::chrono::milliseconds(999));
  log.turn(start + std::chrono::milliseconds(1000));
  log.add(lease_of(4));
  log.turn(start + std::chrono::milliseconds(2000));
  log.tell();
  std::ifstream in(folder / "log");
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line.substr(line.find(' ') + 1));
  ASSERT_EQ(lines.size(), 23U);
  EXPECT_EQ(lines[0], "lease: shard 99 attempt 7 from row 0");
  EXPECT_EQ(lines[19], "lease: shard 80 attempt 7 from row 0");
  EXPECT_EQ(lines[20], "lease: shard 3 attempt 7 from row 0");
  EXPECT_EQ(lines[21], "lease: 30 more, of shards 50 to 79");
  EXPECT_EQ(lines[22], "lease: shard 4 attempt 7 from row 0");
}

}  // namespace
}  // namespace shardmill::infer
