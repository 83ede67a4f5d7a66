#include <regex>

#include <gtest/gtest.h>

#include "store/run_folder.hpp"
#include "store_scratch.hpp"

namespace shardmill::store {
namespace {

TEST(RunFolder, IsMadeOnceAndFoundAgain) {
  const Scratch scratch;
  const RunFolder made = create_run(posix_disk(), scratch / "runs" / "one", "name: digits\n");
  EXPECT_TRUE(std::filesystem::is_directory(made.logs()));
  EXPECT_EQ(slurp(made.job()), "name: digits\n");
  EXPECT_EQ(made.log(3).filename(), "rank-3.log");
  EXPECT_EQ(open_run(scratch / "runs" / "one").job(), std::filesystem::weakly_canonical(made.job()));
  const std::string why = refusal_of([&] { create_run(posix_disk(), scratch / "runs" / "one", "other"); });
  EXPECT_NE(why.find("shardmill resume"), std::string::npos) << why;
  EXPECT_EQ(slurp(made.job()), "name: digits\n");
}

TEST(RunFolder, WhatIsNoneIsRefusedWithTheNewestThereIs) {
  const Scratch scratch;
  create_run(posix_disk(), scratch / "runs" / "digits-20260101-000000-aaaa", "a");
  create_run(posix_disk(), scratch / "runs" / "digits-20260201-000000-aaaa", "b");
  const std::string why = refusal_of([&] { open_run(scratch / "runs"); });
  EXPECT_NE(why.find("is not a run folder"), std::string::npos) << why;
  EXPECT_NE(why.find("digits-20260201"), std::string::npos) << why;
  EXPECT_NE(refusal_of([&] { open_run(scratch / "none"); }), "");
  spit(scratch / "file", "x");
  EXPECT_NE(refusal_of([&] { open_run(scratch / "file"); }), "");
}

TEST(RunFolder, NamesSortByTimeAndAreFree) {
  const Scratch scratch;
  const std::string name = new_run_name(scratch.path(), "digits");
  EXPECT_TRUE(std::regex_match(name, std::regex("digits-[0-9]{8}-[0-9]{6}-[0-9a-f]{4}"))) << name;
  EXPECT_FALSE(std::filesystem::exists(scratch / name));
}

TEST(RunFolder, AFailureOnTheWayLeavesNoRun) {
  for (int n = 1; n <= 6; ++n) {
    const Scratch scratch;
    FaultyDisk disk(n);
    EXPECT_NE(refusal_of([&] { create_run(disk, scratch / "run", "name: x\n"); }), "");
    EXPECT_FALSE(std::filesystem::exists(scratch / "run" / "job.yaml")) << n;
  }
}

}  // namespace
}  // namespace shardmill::store
