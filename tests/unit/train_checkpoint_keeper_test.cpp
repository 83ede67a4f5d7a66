#include <atomic>
#include <cstdlib>
#include <future>
#include <mutex>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "job/crash_point.hpp"
#include "store/checkpoint_folder.hpp"
#include "store_scratch.hpp"
#include "train/checkpoint_keeper.hpp"

namespace shardmill::train {
namespace {

using store::checkpoint_name;
using store::FaultyDisk;
using store::posix_disk;
using store::refusal_of;
using store::Scratch;

constexpr std::int64_t values = 5000;

Snapshot snapshot(std::int64_t step) {
  auto weights = std::make_shared<std::vector<float>>(values, static_cast<float>(step) * 0.5F);
  Snapshot made;
  made.step = step;
  made.position = step * 64;
  made.meta = "{\"step\": " + std::to_string(step) + "}";
  made.tensors = {{"model/weight", DType::float32, {values}, weights->data()}};
  made.storage = std::move(weights);
  return made;
}

void expect_whole(const std::filesystem::path& folder, std::int64_t step) {
  store::CheckpointFile file(posix_disk(), folder / checkpoint_name(step));
  std::vector<float> weights(values);
  file.read(file.tensors().at(0), weights.data());
  EXPECT_EQ(weights, std::vector<float>(values, static_cast<float>(step) * 0.5F));
}

TEST(CheckpointKeeper, WritesInTheBackgroundAndTellsOnceItIsDurable) {
  const Scratch scratch;
  std::vector<Saved> told;
  CheckpointKeeper keeper(posix_disk(), scratch / "checkpoints", 3, [&](const Saved& saved) {
    EXPECT_TRUE(std::filesystem::exists(scratch / "checkpoints" / saved.name));
    told.push_back(saved);
  });
  EXPECT_FALSE(keeper.busy());
  Snapshot best = snapshot(7);
  best.is_best = true;
  const std::weak_ptr<void> storage = best.storage;
  keeper.submit(std::move(best));
  keeper.wait();
  EXPECT_FALSE(keeper.busy());
  EXPECT_TRUE(storage.expired());
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].name, "checkpoint-000000007.h5");
  EXPECT_EQ(told[0].step, 7);
  EXPECT_EQ(told[0].position, 7 * 64);
  EXPECT_TRUE(told[0].is_best);
  EXPECT_FALSE(told[0].is_final);
  EXPECT_GT(told[0].seconds, 0);
  EXPECT_EQ(told[0].bytes, std::filesystem::file_size(scratch / "checkpoints" / told[0].name));
  EXPECT_EQ(told[0].checksum,
            store::CheckpointFile(posix_disk(), scratch / "checkpoints" / told[0].name).info().checksum);
  expect_whole(scratch / "checkpoints", 7);
}

TEST(CheckpointKeeper, IsBusyUntilTheJournalHasBeenToldAndTheNextOneWaits) {
  const Scratch scratch;
  std::promise<void> journal;
  std::shared_future<void> go_on(journal.get_future());
  std::atomic<int> told = 0;
  CheckpointKeeper keeper(posix_disk(), scratch / "checkpoints", 3, [&](const Saved&) {
    go_on.wait();
    ++told;
  });
  keeper.submit(snapshot(1));
  EXPECT_TRUE(keeper.busy());
  auto second = std::async(std::launch::async, [&] { keeper.submit(snapshot(2)); });
  EXPECT_EQ(second.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  EXPECT_EQ(told, 0);
  journal.set_value();
  second.get();
  keeper.wait();
  EXPECT_EQ(told, 2);
  expect_whole(scratch / "checkpoints", 2);
}

TEST(CheckpointKeeper, ThatGoesAwayFinishesWhatItHasBegun) {
  const Scratch scratch;
  {
    CheckpointKeeper keeper(posix_disk(), scratch / "checkpoints", 3, [](const Saved&) {});
    keeper.submit(snapshot(1));
  }
  expect_whole(scratch / "checkpoints", 1);
}

TEST(CheckpointKeeper, ADiskThatFailsIsToldOnceAndTheOldOnesStay) {
  const Scratch scratch;
  {
    CheckpointKeeper keeper(posix_disk(), scratch / "checkpoints", 3, [](const Saved&) {});
    keeper.submit(snapshot(1));
    keeper.wait();
  }
  FaultyDisk counting(1000);
  {
    CheckpointKeeper keeper(counting, scratch / "checkpoints", 3, [](const Saved&) {});
  }
  const int calls_to_begin = counting.calls();
  for (int n = 1; n <= 5; ++n) {
    FaultyDisk disk(calls_to_begin + n);
    bool told = false;
    CheckpointKeeper keeper(disk, scratch / "checkpoints", 3, [&](const Saved&) { told = true; });
    keeper.submit(snapshot(2));
    EXPECT_NE(refusal_of([&] { keeper.wait(); }).find("No space left"), std::string::npos) << n;
    EXPECT_EQ(refusal_of([&] { keeper.wait(); }), "") << n;
    EXPECT_FALSE(told) << n;
    expect_whole(scratch / "checkpoints", 1);
    EXPECT_EQ(store::list_checkpoints(scratch / "checkpoints").size(), 1U) << n;
  }
}

TEST(CheckpointKeeper, AFullDiskLeavesTheOldOnesAndTheNextIsWrittenOnceThereIsSpace) {
  Scratch scratch;
  if (!scratch.make_small("100k")) GTEST_SKIP() << "mounting a small file system is not allowed here";
  CheckpointKeeper keeper(posix_disk(), scratch / "checkpoints", 1, [](const Saved&) {});
  for (int step = 1; step <= 3; ++step) keeper.submit(snapshot(step));  // 24 KB each
  keeper.wait();
  keeper.submit(snapshot(4));
  const std::string why = refusal_of([&] { keeper.wait(); });
  EXPECT_NE(why.find("free some space"), std::string::npos) << why;
  for (int step = 1; step <= 3; ++step) expect_whole(scratch / "checkpoints", step);
  keeper.prune(checkpoint_name(3), std::nullopt);
  keeper.submit(snapshot(4));
  keeper.wait();
  expect_whole(scratch / "checkpoints", 4);
}

TEST(CheckpointKeeper, WhatTheListenerThrowsIsToldToo) {
  const Scratch scratch;
  CheckpointKeeper keeper(posix_disk(), scratch / "checkpoints", 3,
                          [](const Saved&) { throw StoreError("the journal is full"); });
  keeper.submit(snapshot(1));
  EXPECT_EQ(refusal_of([&] { keeper.submit(snapshot(2)); }), "the journal is full");
  EXPECT_FALSE(keeper.busy());
}

// A life with keep 1: every step is saved, journalled and pruned; the process is killed at the point's second passage.
void live(const std::filesystem::path& folder, const std::string& point, std::int64_t first) {
  ::setenv("SHARDMILL_CRASH_AT", (point + ":0:2").c_str(), 1);
  arm_crash_points(0);
  CheckpointKeeper keeper(posix_disk(), folder, 1, [](const Saved&) {});
  for (std::int64_t step = first; step < first + 3; ++step) {
    keeper.submit(snapshot(step));
    keeper.wait();
    keeper.prune(checkpoint_name(step), checkpoint_name(first));
  }
}

TEST(CheckpointKeeper, KilledAnywhereTheNewestWholeOneIsFoundAndTheNextLifeCleansUp) {
  int points = 0;
  for (const std::string& point : crash_point_names()) {
    if (!point.starts_with("checkpoint-")) continue;
    ++points;
    const Scratch scratch;
    const auto folder = scratch / "checkpoints";
    const pid_t child = ::fork();
    if (child == 0) {
      live(folder, point, 1);
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << point;

    const bool second_is_durable = point != "checkpoint-during-write" && point != "checkpoint-before-rename";
    const bool leftover = !second_is_durable;
    EXPECT_EQ(std::filesystem::exists(folder / (checkpoint_name(2) + ".tmp")), leftover) << point;
    std::vector<std::string> remarks;
    const auto loaded = store::load_newest(posix_disk(), folder, remarks);
    ASSERT_TRUE(loaded) << point;
    EXPECT_EQ(loaded->step, second_is_durable ? 2 : 1) << point;
    EXPECT_TRUE(remarks.empty()) << point;
    expect_whole(folder, 1);  // the best, and that of the journal's last word
    expect_whole(folder, loaded->step);

    CheckpointKeeper keeper(posix_disk(), folder, 1, [](const Saved&) {});
    EXPECT_FALSE(std::filesystem::exists(folder / (checkpoint_name(2) + ".tmp"))) << point;
    keeper.submit(snapshot(3));
    keeper.wait();
    keeper.prune(checkpoint_name(3), checkpoint_name(1));
    ASSERT_EQ(store::list_checkpoints(folder).size(), 2U) << point;
    expect_whole(folder, 1);
    expect_whole(folder, 3);
    EXPECT_EQ(std::filesystem::read_symlink(folder / "last.h5"), checkpoint_name(3)) << point;
  }
  EXPECT_EQ(points, 5);
}

}  // namespace
}  // namespace shardmill::train
