#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "store/results.hpp"
#include "store/run_parts.hpp"
#include "store_scratch.hpp"

namespace shardmill::store {
namespace {

TEST(RunParts, TheFirstMakesTheRunAndTheOthersJoinIt) {
  const Scratch scratch;
  const std::filesystem::path path = scratch / "runs" / "array";
  const RunFolder run = join_run(posix_disk(), path, "name: digits\n", 3);
  EXPECT_FALSE(parts_of(run));
  create_run(posix_disk(), part_folder(run, {2, 3}).path, "name: digits\npart: 2/3\n");
  EXPECT_EQ(parts_of(run), 3);
  EXPECT_EQ(whole_of(part_folder(run, {2, 3})).path, run.path);
  join_run(posix_disk(), path, "name: digits\n", 3);
  EXPECT_EQ(slurp(run.job()), "name: digits\n");
  EXPECT_NE(refusal_of([&] { join_run(posix_disk(), path, "name: other\n", 3); }).find("another job"),
            std::string::npos);
  EXPECT_NE(refusal_of([&] { join_run(posix_disk(), path, "name: digits\n", 4); }).find("in 3 parts, not in 4"),
            std::string::npos);
  create_run(posix_disk(), part_folder(run, {1, 4}).path, "x");
  EXPECT_NE(refusal_of([&] { parts_of(run); }).find("parts of 3 and of 4"), std::string::npos);
}

TEST(RunParts, ARunInOnePieceIsNotJoined) {
  const Scratch scratch;
  const RunFolder run = create_run(posix_disk(), scratch / "run", "name: digits\n");
  EXPECT_NE(refusal_of([&] { join_run(posix_disk(), run.path, "name: digits\n", 2); }).find("not one in parts"),
            std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(run.path / "parts"));
}

TEST(RunParts, TheLastPartThatDidNotBeginTakesTheRunWithIt) {
  const Scratch scratch;
  const RunFolder run = join_run(posix_disk(), scratch / "run", "a", 2);
  const RunFolder one = create_run(posix_disk(), part_folder(run, {1, 2}).path, "b");
  const RunFolder two = create_run(posix_disk(), part_folder(run, {2, 2}).path, "b");
  remove_run(one);
  EXPECT_TRUE(std::filesystem::exists(run.job()));
  remove_run(two);
  EXPECT_FALSE(std::filesystem::exists(run.path));
}

TEST(PublishFile, OfManyTheFirstWins) {
  const Scratch scratch;
  for (int round = 0; round < 20; ++round) {
    const std::filesystem::path path = scratch / ("file-" + std::to_string(round));
    std::atomic<int> won{0};
    std::vector<std::thread> writers;
    for (int i = 0; i < 4; ++i) {
      writers.emplace_back([&, i] {
        // As processes do, each has a name of its own to write under.
        const std::filesystem::path mine = path.string() + "." + std::to_string(i);
        write_file(posix_disk(), mine, std::string(1000, static_cast<char>('a' + i)));
        if (posix_disk().link(mine, path)) ++won;
        posix_disk().remove(mine);
      });
    }
    for (std::thread& writer : writers) writer.join();
    EXPECT_EQ(won, 1);
    const std::string content = slurp(path);
    EXPECT_EQ(content, std::string(1000, content.at(0)));
  }
  EXPECT_TRUE(publish_file(posix_disk(), scratch / "one", "first"));
  EXPECT_FALSE(publish_file(posix_disk(), scratch / "one", "second"));
  EXPECT_EQ(slurp(scratch / "one"), "first");
}

ResultsLayout layout() {
  ResultsLayout layout;
  layout.records = 25;
  layout.shard_size = 10;
  layout.outputs = {{"label", DType::int64, {}}};
  layout.job_yaml = "name: digits\n";
  return layout;
}

TEST(SharedResults, WhoComesLaterFindsTheFileAndWhatIsInIt) {
  const Scratch scratch;
  const std::filesystem::path path = scratch / "results.h5";
  create_shared_results(posix_disk(), path, layout());
  const std::vector<std::int64_t> rows{1, 2, 3};
  Results(posix_disk(), path, Open::write).write_rows(0, 0, 3, rows.data());
  create_shared_results(posix_disk(), path, layout());
  std::vector<std::int64_t> found(3);
  Results(posix_disk(), path, Open::read).read_rows(0, 0, 3, found.data());
  EXPECT_EQ(found, rows);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(scratch / "."), {}), 1) << "something is left beside it";
}

// A process that is stopped while it has the lock keeps nobody waiting for good.
TEST(SharedResults, TheLockIsNotWhatCounts) {
  const Scratch scratch;
  const std::filesystem::path path = scratch / "results.h5";
  const auto lock = posix_disk().open(path.string() + ".lock", Open::create);
  ASSERT_TRUE(lock->try_lock());
  create_shared_results(posix_disk(), path, layout());
  EXPECT_EQ(Results(posix_disk(), path, Open::read).layout().records, 25);
}

TEST(SharedResults, AFullDiskLeavesNothingAndIsTold) {
  for (int fails_at = 1; fails_at <= 4; ++fails_at) {
    const Scratch scratch;
    FaultyDisk disk(fails_at);
    EXPECT_NE(refusal_of([&] { create_shared_results(disk, scratch / "results.h5", layout()); }), "");
    EXPECT_FALSE(std::filesystem::exists(scratch / "results.h5"));
  }
}

}  // namespace
}  // namespace shardmill::store
