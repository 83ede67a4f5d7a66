#include <gtest/gtest.h>
#include <unistd.h>

#include "store/disk.hpp"
#include "store_scratch.hpp"

namespace shardmill::store {
namespace {

TEST(Disk, WritesAndReadsAtOffsets) {
  const Scratch scratch;
  const auto file = posix_disk().open(scratch / "file", Open::create);
  EXPECT_EQ(file->size(), 0U);
  file->write_at(4, "efgh", 4);
  file->write_at(0, "abcd", 4);
  file->sync();
  EXPECT_EQ(file->size(), 8U);
  char bytes[3];
  file->read_at(2, bytes, 3);
  EXPECT_EQ(std::string(bytes, 3), "cde");
  file->reserve(100);
  EXPECT_EQ(file->size(), 100U);
  file->reserve(50);  // never less than there is
  EXPECT_EQ(file->size(), 100U);
  file->truncate(2);
  EXPECT_EQ(slurp(scratch / "file"), "ab");
}

TEST(Disk, SaysWhatIsWrongInASentence) {
  const Scratch scratch;
  const std::string path = (scratch / "no" / "such").string();
  EXPECT_EQ(refusal_of([&] { posix_disk().open(path, Open::read); }),
            "cannot open " + path + ": No such file or directory");
  EXPECT_EQ(refusal_of([&] { posix_disk().open(path, Open::create); }),
            "cannot create " + path + ": No such file or directory");
  spit(scratch / "short", "abc");
  const auto file = posix_disk().open(scratch / "short", Open::read);
  char bytes[8];
  EXPECT_NE(refusal_of([&] { file->read_at(0, bytes, 8); }).find("truncated"), std::string::npos);
  EXPECT_NE(refusal_of([&] { file->write_at(0, "x", 1); }), "");  // open for reading only
  EXPECT_NE(refusal_of([&] { posix_disk().make_folders(scratch / "short" / "below"); }).find("create the folder"),
            std::string::npos);
  EXPECT_NE(refusal_of([&] { posix_disk().sync_folder(scratch / "none"); }).find("folder"), std::string::npos);
  EXPECT_NE(refusal_of([&] { posix_disk().rename(scratch / "none", scratch / "other"); }), "");
  EXPECT_NO_THROW(posix_disk().remove(scratch / "none"));  // gone is gone
}

TEST(Disk, APlaceThatOneMayNotWriteToComesWithAdvice) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write anywhere";
  const Scratch scratch;
  std::filesystem::permissions(scratch.path(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  const std::string why = refusal_of([&] { write_file(posix_disk(), scratch / "file", "x"); });
  std::filesystem::permissions(scratch.path(), std::filesystem::perms::owner_all);
  EXPECT_NE(why.find("choose a place that you may write to"), std::string::npos) << why;
}

TEST(Disk, AFullOneSaysSoBeforeTheWorkAndDuringIt) {
  Scratch scratch;
  if (!scratch.make_small("256k")) GTEST_SKIP() << "mounting a small file system is not allowed here";
  const auto file = posix_disk().open(scratch / "file", Open::create);
  const std::string reserve = refusal_of([&] { file->reserve(1 << 20); });
  EXPECT_NE(reserve.find("reserve 1048576 bytes"), std::string::npos) << reserve;
  EXPECT_NE(reserve.find("free some space"), std::string::npos) << reserve;
  const std::string much(1 << 20, 'x');
  EXPECT_NE(refusal_of([&] { file->write_at(0, much.data(), much.size()); }).find("free some space"),
            std::string::npos);
}

TEST(Disk, ALockIsHeldByOneForItsLife) {
  const Scratch scratch;
  auto first = posix_disk().open(scratch / "file", Open::create);
  const auto second = posix_disk().open(scratch / "file", Open::read);
  EXPECT_TRUE(first->try_lock());
  EXPECT_FALSE(second->try_lock());
  first.reset();
  EXPECT_TRUE(second->try_lock());
}

TEST(WriteFile, ReplacesTheWhole) {
  const Scratch scratch;
  write_file(posix_disk(), scratch / "file", "a long first content");
  EXPECT_EQ(read_file(posix_disk(), scratch / "file"), "a long first content");
  write_file(posix_disk(), scratch / "file", "");
  EXPECT_EQ(read_file(posix_disk(), scratch / "file"), "");
  spit(scratch / "file.tmp", "left behind by a crash, and longer than what comes");
  write_file(posix_disk(), scratch / "file", "new");
  EXPECT_EQ(read_file(posix_disk(), scratch / "file"), "new");
  EXPECT_FALSE(std::filesystem::exists(scratch / "file.tmp"));
}

TEST(WriteFile, LeavesTheOldOneWhicheverCallFails) {
  const Scratch scratch;
  FaultyDisk all_well(1000);
  write_file(all_well, scratch / "file", "old");
  ASSERT_GE(all_well.calls(), 6);  // create, truncate, write, sync, rename, sync of the folder
  for (int n = 1; n <= all_well.calls(); ++n) {
    FaultyDisk disk(n);
    EXPECT_NE(refusal_of([&] { write_file(disk, scratch / "file", "the new content"); }).find("No space left"),
              std::string::npos);
    const std::string now = slurp(scratch / "file");
    // Behind the rename it is the new one, of which only the name may not be durable yet.
    EXPECT_EQ(now, n == all_well.calls() ? "the new content" : "old") << "call " << n;
  }
  write_file(posix_disk(), scratch / "file", "after all");
  EXPECT_EQ(slurp(scratch / "file"), "after all");
}

}  // namespace
}  // namespace shardmill::store
