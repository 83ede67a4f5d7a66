#include <set>

#include <gtest/gtest.h>

#include "store/checkpoint_folder.hpp"
#include "store_scratch.hpp"

namespace shardmill::store {
namespace {

void write(const Scratch& scratch, std::int64_t step) {
  const auto value = static_cast<float>(step);
  write_checkpoint(posix_disk(), scratch / checkpoint_name(step),
                   {std::to_string(step), {{"model/w", DType::float32, {}, &value}}});
}

void damage(const std::filesystem::path& path) {
  std::string bytes = slurp(path);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 8);
  spit(path, bytes);
}

std::set<std::string> names_in(const Scratch& scratch) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(scratch.path()))
    names.insert(entry.path().filename().string());
  return names;
}

std::string target_of(const Scratch& scratch, const char* link) {
  std::error_code error;
  return std::filesystem::read_symlink(scratch / link, error).string();
}

TEST(CheckpointFolder, NamesSortByStepAndAreRead) {
  const Scratch scratch;
  EXPECT_EQ(checkpoint_name(1200), "checkpoint-000001200.h5");
  EXPECT_EQ(checkpoint_name(12'345'678'901), "checkpoint-12345678901.h5");
  for (const std::int64_t step : {1200L, 9L, 12'345'678'901L, 0L}) spit(scratch / checkpoint_name(step), "");
  for (const char* other : {"checkpoint-.h5", "checkpoint-12x.h5", "checkpoint--12.h5", "checkpoint-12.h5.tmp",
                            "checkpoint-12.h5.damaged", "best.h5", "x"})
    spit(scratch / other, "");
  std::vector<std::int64_t> steps;
  for (const StoredCheckpoint& stored : list_checkpoints(scratch.path())) steps.push_back(stored.step);
  EXPECT_EQ(steps, (std::vector<std::int64_t>{12'345'678'901, 1200, 9, 0}));
  EXPECT_TRUE(list_checkpoints(scratch / "none").empty());
}

TEST(CheckpointFolder, TheNewestThatChecksOutIsLoadedAndDamagedOnesAreSetAside) {
  const Scratch scratch;
  for (const int step : {10, 20, 30, 40}) write(scratch, step);
  damage(scratch / checkpoint_name(40));
  spit(scratch / checkpoint_name(30), "");
  std::vector<std::string> remarks;
  const auto loaded = load_newest(posix_disk(), scratch.path(), remarks);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->step, 20);
  EXPECT_EQ(loaded->file.meta(), "20");
  ASSERT_EQ(remarks.size(), 2U);
  EXPECT_NE(remarks[0].find("checkpoint-000000040.h5 is damaged"), std::string::npos) << remarks[0];
  EXPECT_NE(remarks[1].find("checkpoint-000000030.h5 is empty"), std::string::npos) << remarks[1];
  EXPECT_EQ(names_in(scratch),
            (std::set<std::string>{checkpoint_name(10), checkpoint_name(20), checkpoint_name(30) + ".damaged",
                                   checkpoint_name(40) + ".damaged"}));
}

TEST(CheckpointFolder, OfNothingOrOnlyDamagedOnesNoneIsLoaded) {
  const Scratch scratch;
  std::vector<std::string> remarks;
  EXPECT_FALSE(load_newest(posix_disk(), scratch / "none", remarks));
  EXPECT_FALSE(load_newest(posix_disk(), scratch.path(), remarks));
  EXPECT_TRUE(remarks.empty());
  write(scratch, 1);
  damage(scratch / checkpoint_name(1));
  EXPECT_FALSE(load_newest(posix_disk(), scratch.path(), remarks));
  EXPECT_EQ(remarks.size(), 1U);
}

TEST(CheckpointFolder, AFileThatCannotBeOpenedIsNotTakenForDamaged) {
  const Scratch scratch;
  write(scratch, 1);
  std::filesystem::create_symlink("nowhere", scratch / checkpoint_name(2));
  std::vector<std::string> remarks;
  EXPECT_NE(refusal_of([&] { load_newest(posix_disk(), scratch.path(), remarks); }).find("cannot open"),
            std::string::npos);
  EXPECT_EQ(names_in(scratch).count(checkpoint_name(2)), 1U);
}

TEST(CheckpointFolder, LeftoversAreRemoved) {
  const Scratch scratch;
  write(scratch, 1);
  spit(scratch / (checkpoint_name(2) + ".tmp"), "half");
  std::filesystem::create_symlink("nowhere", scratch / "best.h5.tmp");
  remove_leftovers(posix_disk(), scratch.path());
  EXPECT_EQ(names_in(scratch), std::set<std::string>{checkpoint_name(1)});
  remove_leftovers(posix_disk(), scratch / "none");
}

TEST(CheckpointFolder, TheNewestAndTheBestStay) {
  const Scratch scratch;
  for (int step = 1; step <= 6; ++step) write(scratch, step);
  prune_checkpoints(posix_disk(), scratch.path(), 2, checkpoint_name(6), checkpoint_name(2));
  EXPECT_EQ(names_in(scratch),
            (std::set<std::string>{checkpoint_name(2), checkpoint_name(5), checkpoint_name(6), "best.h5", "last.h5"}));
  EXPECT_EQ(target_of(scratch, best_checkpoint), checkpoint_name(2));
  EXPECT_EQ(target_of(scratch, last_checkpoint), checkpoint_name(6));
  write(scratch, 7);
  prune_checkpoints(posix_disk(), scratch.path(), 1, checkpoint_name(7), checkpoint_name(7));
  EXPECT_EQ(names_in(scratch), (std::set<std::string>{checkpoint_name(7), "best.h5", "last.h5"}));
  EXPECT_EQ(CheckpointFile(posix_disk(), scratch / "best.h5").meta(), "7");
}

TEST(CheckpointFolder, WhatTheJournalDoesNotKnowYetNeitherGoesNorCounts) {
  const Scratch scratch;
  for (int step = 1; step <= 4; ++step) write(scratch, step);
  prune_checkpoints(posix_disk(), scratch.path(), 1, checkpoint_name(3), std::nullopt);
  EXPECT_EQ(names_in(scratch), (std::set<std::string>{checkpoint_name(3), checkpoint_name(4), "last.h5"}));
  EXPECT_EQ(target_of(scratch, last_checkpoint), checkpoint_name(3));
}

TEST(CheckpointFolder, ABestThatIsGoneHasNoLink) {
  const Scratch scratch;
  for (int step = 1; step <= 2; ++step) write(scratch, step);
  prune_checkpoints(posix_disk(), scratch.path(), 2, checkpoint_name(2), checkpoint_name(1));
  damage(scratch / checkpoint_name(1));
  std::filesystem::rename(scratch / checkpoint_name(1), scratch / (checkpoint_name(1) + ".damaged"));
  prune_checkpoints(posix_disk(), scratch.path(), 2, checkpoint_name(2), checkpoint_name(1));
  EXPECT_EQ(names_in(scratch), (std::set<std::string>{checkpoint_name(1) + ".damaged", checkpoint_name(2), "last.h5"}));
}

TEST(CheckpointFolder, NothingIsDeletedUnlessTheLinksAreMade) {
  const Scratch scratch;
  for (int step = 1; step <= 3; ++step) write(scratch, step);
  for (int n = 1; n <= 5; ++n) {  // two calls for each link, one for the folder
    FaultyDisk disk(n);
    EXPECT_NE(refusal_of([&] { prune_checkpoints(disk, scratch.path(), 1, checkpoint_name(3), checkpoint_name(2)); }),
              "");
    EXPECT_EQ(list_checkpoints(scratch.path()).size(), 3U) << n;
    std::filesystem::remove(scratch / "best.h5");
    std::filesystem::remove(scratch / "last.h5");
  }
}

}  // namespace
}  // namespace shardmill::store
