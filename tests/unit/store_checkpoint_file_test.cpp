#include <algorithm>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "store/checkpoint_file.hpp"
#include "store_scratch.hpp"

namespace shardmill::store {
namespace {

// Owns the bytes of its tensors.
struct Content {
  CheckpointContent content;
  std::vector<std::unique_ptr<std::vector<char>>> storage;

  void add(const std::string& name, DType dtype, const std::vector<std::int64_t>& shape) {
    std::size_t bytes = size_of(dtype);
    for (const std::int64_t extent : shape) bytes *= static_cast<std::size_t>(extent);
    auto data = std::make_unique<std::vector<char>>(bytes);
    for (std::size_t i = 0; i < bytes; ++i) (*data)[i] = static_cast<char>(i * 37 + storage.size() * 11 + 1);
    content.tensors.push_back({name, dtype, shape, data->data()});
    storage.push_back(std::move(data));
  }
};

Content small() {
  Content content;
  content.content.meta = R"({"step": 12, "name": "größe"})";
  content.add("model/layer1.0.conv1.weight", DType::float32, {4, 3});
  content.add("model/layer1.0.conv1.bias", DType::float32, {4});
  content.add("model/bn.num_batches_tracked", DType::int64, {});
  content.add("optimizer/exp_avg/layer1.0.conv1.weight", DType::float32, {4, 3});
  content.add("model/empty", DType::float32, {0, 5});
  return content;
}

CheckpointFile open(const std::filesystem::path& path) { return {posix_disk(), path}; }

void expect_holds(const std::filesystem::path& path, const CheckpointContent& content) {
  CheckpointFile file(posix_disk(), path);
  EXPECT_EQ(file.meta(), content.meta);
  ASSERT_EQ(file.tensors().size(), content.tensors.size());
  for (std::size_t i = 0; i < content.tensors.size(); ++i) {
    const CheckpointFile::Entry& entry = file.tensors()[i];
    EXPECT_EQ(entry.name, content.tensors[i].name);
    EXPECT_EQ(entry.dtype, content.tensors[i].dtype) << entry.name;
    EXPECT_EQ(entry.shape, content.tensors[i].shape) << entry.name;
    std::vector<char> bytes(entry.size + 1, 'x');
    file.read(entry, bytes.data());
    const auto* wanted = static_cast<const char*>(content.tensors[i].data);  // null for an empty tensor
    EXPECT_TRUE(std::equal(wanted, wanted + entry.size, bytes.data())) << entry.name;
    EXPECT_EQ(bytes.back(), 'x');
  }
}

TEST(CheckpointFile, ReadsBackWhatWasWritten) {
  const Scratch scratch;
  const Content content = small();
  const CheckpointInfo info = write_checkpoint(posix_disk(), scratch / "c.h5", content.content);
  EXPECT_FALSE(std::filesystem::exists(scratch / "c.h5.tmp"));
  EXPECT_EQ(info.bytes, std::filesystem::file_size(scratch / "c.h5"));
  EXPECT_EQ(info.checksum.size(), 32U);
  expect_holds(scratch / "c.h5", content.content);
  EXPECT_EQ(open(scratch / "c.h5").info().checksum, info.checksum);
  EXPECT_EQ(open(scratch / "c.h5").info().bytes, info.bytes);
  const CheckpointFile file = open(scratch / "c.h5");
  EXPECT_EQ(file.find("model/empty"), &file.tensors()[4]);
  EXPECT_EQ(file.find("model"), nullptr);
}

TEST(CheckpointFile, EveryTypeAndManyTensorsOfAllSizes) {
  const Scratch scratch;
  Content content;
  for (const DType dtype :
       {DType::boolean, DType::uint8, DType::int8, DType::uint16, DType::int16, DType::uint32, DType::int32,
        DType::uint64, DType::int64, DType::float16, DType::bfloat16, DType::float32, DType::float64}) {
    content.add("model/" + std::string(name_of(dtype)), dtype, {3, 2});
  }
  for (int i = 0; i < 300; ++i) content.add("optimizer/exp_avg/" + std::to_string(i), DType::float32, {i, 11});
  content.add("model/large", DType::float32, {1 << 20});
  content.add("model/larger", DType::float16, {1025, 1031});
  write_checkpoint(posix_disk(), scratch / "c.h5", content.content);
  expect_holds(scratch / "c.h5", content.content);
}

TEST(CheckpointFile, OfNothingIsAFileToo) {
  const Scratch scratch;
  write_checkpoint(posix_disk(), scratch / "c.h5", {});
  expect_holds(scratch / "c.h5", {});
}

TEST(CheckpointFile, TheSameContentGivesTheSameBytes) {
  const Scratch scratch;
  const CheckpointInfo a = write_checkpoint(posix_disk(), scratch / "a.h5", small().content);
  const CheckpointInfo b = write_checkpoint(posix_disk(), scratch / "b.h5", small().content);
  EXPECT_EQ(a.checksum, b.checksum);
  EXPECT_EQ(slurp(scratch / "a.h5"), slurp(scratch / "b.h5"));
  Content other = small();
  (*other.storage[3])[7] ^= 1;
  EXPECT_NE(write_checkpoint(posix_disk(), scratch / "c.h5", other.content).checksum, a.checksum);
}

TEST(CheckpointFile, AnyFlippedByteIsNoticed) {
  const Scratch scratch;
  write_checkpoint(posix_disk(), scratch / "c.h5", small().content);
  const std::string whole = slurp(scratch / "c.h5");
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const int flip : {1, 0xff}) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ flip);
      spit(scratch / "d.h5", damaged);
      const std::string why = refusal_of([&] { open(scratch / "d.h5"); });
      ASSERT_NE(why.find("d.h5"), std::string::npos) << "byte " << i;
    }
  }
}

TEST(CheckpointFile, CutOffAnywhereOrLongerIsNoticed) {
  const Scratch scratch;
  write_checkpoint(posix_disk(), scratch / "c.h5", small().content);
  const std::string whole = slurp(scratch / "c.h5");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    spit(scratch / "d.h5", whole.substr(0, length));
    ASSERT_NE(refusal_of([&] { open(scratch / "d.h5"); }), "") << length;
  }
  spit(scratch / "d.h5", whole + '\0');
  EXPECT_NE(refusal_of([&] { open(scratch / "d.h5"); }), "");
  spit(scratch / "d.h5", whole + whole);
  EXPECT_NE(refusal_of([&] { open(scratch / "d.h5"); }), "");
}

TEST(CheckpointFile, DamageAfterItWasOpenedIsNoticed) {
  const Scratch scratch;
  write_checkpoint(posix_disk(), scratch / "c.h5", small().content);
  CheckpointFile file = open(scratch / "c.h5");
  const CheckpointFile::Entry& entry = file.tensors()[3];
  const char other = 'x';
  posix_disk().open(scratch / "c.h5", Open::write)->write_at(entry.offset + 5, &other, 1);
  std::vector<char> bytes(entry.size);
  EXPECT_NE(refusal_of([&] { file.read(entry, bytes.data()); }).find("optimizer/exp_avg"), std::string::npos);
  file.read(file.tensors()[0], bytes.data());
}

TEST(CheckpointFile, WhatIsNoneIsRefusedInASentence) {
  const Scratch scratch;
  auto why = [&](const std::string& name) { return refusal_of([&] { open(scratch / name); }); };
  EXPECT_NE(why("none.h5").find("cannot open"), std::string::npos);
  spit(scratch / "empty.h5", "");
  EXPECT_NE(why("empty.h5").find("is empty"), std::string::npos);
  spit(scratch / "text.h5", std::string(100, 'x'));
  EXPECT_NE(why("text.h5").find("no HDF5 file"), std::string::npos);
  std::filesystem::create_directory(scratch / "folder.h5");
  EXPECT_NE(why("folder.h5"), "");
}

TEST(CheckpointFile, NamesThatHdf5WouldChangeAreRefused) {
  const Scratch scratch;
  for (const std::string name : {"", "/a", "a/", "a//b", "./a", "a/./b", "a\nb", "shardmill", "shardmill/meta"}) {
    Content content;
    content.add(name, DType::float32, {1});
    EXPECT_NE(refusal_of([&] { write_checkpoint(posix_disk(), scratch / "c.h5", content.content); }), "") << name;
  }
  for (const std::string second : {"model/a", "model/a/b", "model"}) {
    Content content;
    content.add("model/a", DType::float32, {1});
    content.add(second, DType::float32, {1});
    EXPECT_NE(refusal_of([&] { write_checkpoint(posix_disk(), scratch / "c.h5", content.content); }), "") << second;
  }
  EXPECT_NE(refusal_of([&] { write_checkpoint(posix_disk(), scratch / "c.h5", {std::string(3, '\0'), {}}); }), "");
  EXPECT_TRUE(std::filesystem::is_empty(scratch.path()));
}

TEST(CheckpointFile, WhicheverCallFailsTheOldFileStays) {
  const Scratch scratch;
  const Content old = small();
  write_checkpoint(posix_disk(), scratch / "c.h5", old.content);
  Content content = small();
  content.content.meta = "{}";
  FaultyDisk all_well(1000);
  write_checkpoint(all_well, scratch / "other.h5", content.content);
  ASSERT_GT(all_well.calls(), 5);
  for (int n = 1; n < all_well.calls(); ++n) {  // the last one syncs the folder
    FaultyDisk disk(n);
    EXPECT_NE(refusal_of([&] { write_checkpoint(disk, scratch / "c.h5", content.content); }), "") << n;
    expect_holds(scratch / "c.h5", old.content);
    EXPECT_FALSE(std::filesystem::exists(scratch / "c.h5.tmp")) << n;
  }
}

TEST(CheckpointFile, OnATooFullDiskIsRefusedAndTheOldStays) {
  Scratch scratch;
  if (!scratch.make_small("1m")) GTEST_SKIP() << "mounting a small file system is not allowed here";
  const Content old = small();
  write_checkpoint(posix_disk(), scratch / "c.h5", old.content);
  Content content;
  content.add("model/large", DType::float32, {1 << 20});
  const std::string why = refusal_of([&] { write_checkpoint(posix_disk(), scratch / "c.h5", content.content); });
  EXPECT_NE(why.find("free some space"), std::string::npos) << why;
  EXPECT_FALSE(std::filesystem::exists(scratch / "c.h5.tmp"));
  expect_holds(scratch / "c.h5", old.content);
}

}  // namespace
}  // namespace shardmill::store
