#include <cstdlib>
#include <ctime>
#include <string>

#include <gtest/gtest.h>

#include "comm/walltime.hpp"

namespace shardmill::comm {
namespace {

class Walltime : public testing::Test {
 protected:
  void SetUp() override { TearDown(); }
  void TearDown() override {
    ::unsetenv("SLURM_JOB_END_TIME");
    ::unsetenv("SHARDMILL_STOP_BEFORE");
  }
  static void end_in(int seconds) {
    ::setenv("SLURM_JOB_END_TIME", std::to_string(std::time(nullptr) + seconds).c_str(), 1);
  }
};

TEST_F(Walltime, HasNoEndOutsideOfABatchJob) {
  EXPECT_FALSE(seconds_to_stop());
  for (const char* nothing : {"", "NONE", "0", "-5", "12x"}) {
    ::setenv("SLURM_JOB_END_TIME", nothing, 1);
    EXPECT_FALSE(seconds_to_stop()) << nothing;
  }
}

TEST_F(Walltime, EndsAMinuteBeforeTheBatchJob) {
  end_in(100);
  EXPECT_NEAR(*seconds_to_stop(), 40, 2);
  end_in(10);
  EXPECT_NEAR(*seconds_to_stop(), -50, 2);
}

TEST_F(Walltime, OrAsLongBeforeAsIsAsked) {
  end_in(100);
  ::setenv("SHARDMILL_STOP_BEFORE", "5", 1);
  EXPECT_NEAR(*seconds_to_stop(), 95, 2);
}

}  // namespace
}  // namespace shardmill::comm
