// What a server's journal says.
#include <gtest/gtest.h>

#include "serve/record.hpp"

namespace shardmill::serve {
namespace {

TEST(ServeRecord, CountsStartsAndKeepsTheEnd) {
  report::Summary summary;
  summary.message = "stopped \xff";
  summary.tasks_submitted = 10;
  summary.tasks_completed = 9;
  summary.records_done = 40;
  summary.total_time = 8;
  summary.faults = 2;
  summary.faults_recovered = 1;
  const std::string ready = ready_entry(1, "http://127.0.0.1:1");
  const ServeRecord record = replay({ready, "damaged {", "[]", ready, ended_entry(summary)});
  EXPECT_EQ(record.ready, 2);
  EXPECT_EQ(record.ended, ExitCode::done);
  EXPECT_EQ(record.summary.utilization, 0.9);
  EXPECT_EQ(record.summary.load, 5);
  EXPECT_EQ(record.summary.fault_tolerance, 0.5);
  EXPECT_EQ(replay({ended_entry(summary), ready}).ended, std::nullopt);  // it goes on
  EXPECT_EQ(replay({}).ready, 0);
}

}  // namespace
}  // namespace shardmill::serve
