#include <cstring>
#include <thread>

#include <gtest/gtest.h>

#include "store/hdf5_handle.hpp"
#include "store/results.hpp"
#include "store_scratch.hpp"

namespace shardmill::store {
namespace {

ResultsLayout layout_of(std::int64_t records, std::vector<OutputLayout> outputs) {
  ResultsLayout layout;
  layout.records = records;
  layout.shard_size = 10;
  layout.outputs = std::move(outputs);
  layout.job_yaml = "name: größe\n";
  layout.model_sha256 = "aa";
  layout.dataset_digest = "bb";
  layout.versions = "shardmill 0.1";
  return layout;
}

const std::vector<OutputLayout> two_outputs = {{"probabilities", DType::float32, {10}}, {"label", DType::int64, {}}};

std::vector<char> pattern(std::size_t bytes, int seed) {
  std::vector<char> data(bytes);
  for (std::size_t i = 0; i < bytes; ++i) data[i] = static_cast<char>(i * 31 + static_cast<std::size_t>(seed) * 7 + 1);
  return data;
}

TEST(Results, AreThereWholeBeforeTheFirstRow) {
  const Scratch scratch;
  create_results(posix_disk(), scratch / "results.h5", layout_of(25, two_outputs));
  EXPECT_FALSE(std::filesystem::exists(scratch / "results.h5.tmp"));
  EXPECT_LE(std::filesystem::file_size(scratch / "results.h5"), results_bytes(layout_of(25, two_outputs)));
  Results results(posix_disk(), scratch / "results.h5", Open::read);
  EXPECT_EQ(results.layout().records, 25);
  EXPECT_EQ(results.layout().shard_size, 10);
  ASSERT_EQ(results.layout().outputs.size(), 2U);
  EXPECT_EQ(results.layout().outputs[0].name, "probabilities");
  EXPECT_EQ(results.layout().outputs[0].shape, std::vector<std::int64_t>{10});
  EXPECT_EQ(results.layout().outputs[1].dtype, DType::int64);
  EXPECT_TRUE(results.layout().outputs[1].shape.empty());
  EXPECT_EQ(results.layout().job_yaml, "name: größe\n");
  EXPECT_EQ(results.layout().versions, "shardmill 0.1");
  EXPECT_EQ(results.read_status(0, 25), std::vector<RecordStatus>(25, RecordStatus::pending));
  EXPECT_EQ(results.read_shard(2).first, 20);
  EXPECT_EQ(results.read_shard(2).count, 5);
  EXPECT_EQ(results.read_shard(2).attempts, 0U);
  EXPECT_TRUE(results.read_quarantine().empty());
}

TEST(Results, EveryTypeReadsBackAndTheMetadataNeverChanges) {
  const Scratch scratch;
  std::vector<OutputLayout> outputs;
  for (const DType dtype :
       {DType::boolean, DType::uint8, DType::int8, DType::uint16, DType::int16, DType::uint32, DType::int32,
        DType::uint64, DType::int64, DType::float16, DType::float32, DType::float64}) {
    outputs.push_back({std::string(name_of(dtype)), dtype, {3, 2}});
  }
  outputs.push_back({"nothing", DType::float32, {4, 0}});
  create_results(posix_disk(), scratch / "results.h5", layout_of(25, outputs));
  const std::string before = slurp(scratch / "results.h5");
  Results results(posix_disk(), scratch / "results.h5", Open::write);
  ASSERT_EQ(results.layout().outputs.size(), outputs.size());
  std::uint64_t written = 0;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    EXPECT_EQ(results.layout().outputs[i].dtype, outputs[i].dtype);
    EXPECT_EQ(results.layout().outputs[i].shape, outputs[i].shape);
    const std::vector<char> rows = pattern(outputs[i].row_bytes() * 7, static_cast<int>(i));
    results.write_rows(i, 5, 7, rows.data());
    written += rows.size();
    std::vector<char> back(rows.size());
    results.read_rows(i, 5, 7, back.data());
    EXPECT_EQ(back, rows) << outputs[i].name;
  }
  results.sync();
  const std::string after = slurp(scratch / "results.h5");
  ASSERT_EQ(after.size(), before.size());
  std::uint64_t changed = 0;
  for (std::size_t i = 0; i < after.size(); ++i) changed += after[i] != before[i] ? 1 : 0;
  EXPECT_LE(changed, written);
  EXPECT_GE(changed, written - written / 64);  // a byte of a row may be zero, as it was
}

TEST(Results, StatusShardsAndQuarantineReadBack) {
  const Scratch scratch;
  create_results(posix_disk(), scratch / "results.h5", layout_of(25, two_outputs));
  {
    Results results(posix_disk(), scratch / "results.h5", Open::write);
    results.write_status(10, {RecordStatus::done, RecordStatus::quarantined, RecordStatus::done});
    results.write_shards(1, {{10, 10, 0xc0ffee, 2, 3, 0.5}});
    results.write_quarantine(0, 11, "NaN in 'label'");
    results.write_quarantine(1, 20, "");
  }
  Results results(posix_disk(), scratch / "results.h5", Open::read);
  EXPECT_EQ(results.read_status(9, 4), (std::vector<RecordStatus>{RecordStatus::pending, RecordStatus::done,
                                                                  RecordStatus::quarantined, RecordStatus::done}));
  const ShardRow row = results.read_shard(1);
  EXPECT_EQ(row.checksum, 0xc0ffeeU);
  EXPECT_EQ(row.attempts, 2U);
  EXPECT_EQ(row.rank, 3);
  EXPECT_EQ(row.seconds, 0.5);
  const auto quarantine = results.read_quarantine();
  ASSERT_EQ(quarantine.size(), 2U);
  EXPECT_EQ(quarantine[0].record, 11);
  EXPECT_STREQ(quarantine[0].message, "NaN in 'label'");
  EXPECT_EQ(quarantine[1].record, 20);
  EXPECT_THROW(results.read_status(20, 6), CheckFailure);
  EXPECT_THROW(results.read_shard(3), CheckFailure);
}

TEST(Results, LongMessagesAreCutBetweenCharacters) {
  const Scratch scratch;
  create_results(posix_disk(), scratch / "results.h5", layout_of(25, two_outputs));
  Results results(posix_disk(), scratch / "results.h5", Open::write);
  const std::string umlauts = [] {
    std::string text = "x";
    for (int i = 0; i < 200; ++i) text += "ä";
    return text;
  }();
  results.write_quarantine(0, 1, umlauts);
  results.write_quarantine(1, 2, std::string(247, 'y'));
  results.write_quarantine(2, 3, std::string(248, 'z'));
  results.write_quarantine(3, 4, std::string(400, '\x80'));  // no character begins anywhere
  const auto rows = results.read_quarantine();
  EXPECT_EQ(std::string(rows[0].message), umlauts.substr(0, 247));  // 1 + 123 * 2
  EXPECT_EQ(std::strlen(rows[1].message), 247U);
  EXPECT_EQ(std::strlen(rows[2].message), 247U);
  EXPECT_EQ(std::strlen(rows[3].message), 0U);
  results.write_quarantine(0, 1, umlauts.substr(1));
  EXPECT_EQ(std::strlen(results.read_quarantine()[0].message), 246U);
}

TEST(Results, QuarantineBeyondItsCapacityIsNotWritten) {
  const Scratch scratch;
  create_results(posix_disk(), scratch / "results.h5", layout_of(3, two_outputs));
  Results results(posix_disk(), scratch / "results.h5", Open::write);
  for (int i = 0; i < 5; ++i) results.write_quarantine(i, i, "bad");
  EXPECT_EQ(results.read_quarantine().size(), 3U);
}

TEST(Results, OfNoRecordsAreAFileToo) {
  const Scratch scratch;
  create_results(posix_disk(), scratch / "results.h5", layout_of(0, two_outputs));
  Results results(posix_disk(), scratch / "results.h5", Open::write);
  EXPECT_EQ(results.layout().records, 0);
  EXPECT_EQ(results.layout().outputs.size(), 2U);
  results.write_rows(0, 0, 0, nullptr);
  EXPECT_TRUE(results.read_status(0, 0).empty());
  EXPECT_TRUE(results.read_quarantine().empty());
}

// Half of the rows are those of before or of after, never of nowhere: HDF5 sees the file as valid all the time.
TEST(Results, AreReadByHdf5WhileTheyAreWritten) {
  const Scratch scratch;
  create_results(posix_disk(), scratch / "results.h5", layout_of(1000, two_outputs));
  std::thread writer([&] {
    Results results(posix_disk(), scratch / "results.h5", Open::write);
    for (std::int64_t row = 0; row < 1000; ++row) {
      const std::int64_t label = row + 1;
      results.write_rows(1, row, 1, &label);
    }
  });
  for (int i = 0; i < 50; ++i) {
    const Hdf5Handle file(H5Fopen((scratch / "results.h5").c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
    ASSERT_TRUE(file);
    const Hdf5Handle dataset(H5Dopen2(file.get(), "label", H5P_DEFAULT), H5Dclose);
    std::vector<std::int64_t> labels(1000);
    ASSERT_GE(H5Dread(dataset.get(), H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, labels.data()), 0);
    for (std::int64_t row = 0; row < 1000; ++row) {
      const std::int64_t label = labels[static_cast<std::size_t>(row)];
      EXPECT_TRUE(label == 0 || label == row + 1);
    }
  }
  writer.join();
}

TEST(Results, WhatIsNoneIsRefusedInASentence) {
  const Scratch scratch;
  EXPECT_NE(refusal_of([&] { Results(posix_disk(), scratch / "none.h5", Open::read); }), "");
  spit(scratch / "text.h5", "this is not HDF5");
  EXPECT_NE(refusal_of([&] { Results(posix_disk(), scratch / "text.h5", Open::read); }).find("as HDF5"),
            std::string::npos);
  {
    const Hdf5Handle file(H5Fcreate((scratch / "other.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
  }
  EXPECT_NE(refusal_of([&] { Results(posix_disk(), scratch / "other.h5", Open::read); }).find("not a results file"),
            std::string::npos);
}

TEST(Results, CutAnywhereAreRefusedOrReadButNeverACrash) {
  const Scratch scratch;
  create_results(posix_disk(), scratch / "results.h5", layout_of(25, two_outputs));
  const std::string bytes = slurp(scratch / "results.h5");
  for (std::size_t length = 0; length < bytes.size(); length += 97) {
    spit(scratch / "cut.h5", bytes.substr(0, length));
    EXPECT_NE(refusal_of([&] {
                Results results(posix_disk(), scratch / "cut.h5", Open::read);
                results.read_quarantine();
              }),
              "")
        << length;
  }
}

TEST(Results, ThatCannotBeMadeLeaveNoFile) {
  const Scratch scratch;
  auto leftovers = [&] {
    return std::distance(std::filesystem::directory_iterator(scratch.path()), std::filesystem::directory_iterator());
  };
  auto refused = [&](const ResultsLayout& layout) {
    return refusal_of([&] { create_results(posix_disk(), scratch / "results.h5", layout); });
  };
  EXPECT_NE(refused(layout_of(25, {{"x", DType::bfloat16, {}}})).find("bfloat16"), std::string::npos);
  EXPECT_EQ(leftovers(), 0);
  EXPECT_NE(refused(layout_of(25, {{"x", DType::int8, {}}, {"x", DType::int8, {}}})), "");
  EXPECT_EQ(leftovers(), 0);
  EXPECT_NE(refused(layout_of(25, {{"shardmill", DType::int8, {}}})), "");
  EXPECT_EQ(leftovers(), 0);
  const std::string far = (scratch / "no" / "results.h5").string();
  EXPECT_NE(refusal_of([&] { create_results(posix_disk(), far, layout_of(25, two_outputs)); }), "");
}

TEST(Results, OnATooFullDiskAreRefusedAndLeaveNoFile) {
  Scratch scratch;
  if (!scratch.make_small("1m")) GTEST_SKIP() << "mounting a small file system is not allowed here";
  const std::string why =
      refusal_of([&] { create_results(posix_disk(), scratch / "results.h5", layout_of(100'000, two_outputs)); });
  EXPECT_NE(why.find("free some space"), std::string::npos) << why;
  EXPECT_TRUE(std::filesystem::is_empty(scratch.path()));
}

TEST(Results, WhicheverCallFailsTheOldFileStays) {
  const Scratch scratch;
  create_results(posix_disk(), scratch / "results.h5", layout_of(25, two_outputs));
  const std::string before = slurp(scratch / "results.h5");
  FaultyDisk all_well(1000);
  create_results(all_well, scratch / "other.h5", layout_of(25, two_outputs));
  for (int n = 1; n < all_well.calls(); ++n) {
    FaultyDisk disk(n);
    EXPECT_NE(refusal_of([&] { create_results(disk, scratch / "results.h5", layout_of(45, two_outputs)); }), "") << n;
    EXPECT_EQ(slurp(scratch / "results.h5"), before) << n;
  }
}

TEST(ShardHasher, DoesNotSeeHowRowsWereCut) {
  const std::vector<char> a = pattern(4000, 1);
  const std::vector<char> b = pattern(800, 2);
  ShardHasher whole(2);
  whole.add(0, a.data(), a.size());
  whole.add(1, b.data(), b.size());
  for (const std::size_t piece : {1U, 7U, 40U, 1000U}) {
    ShardHasher pieces(2);
    for (std::size_t at = 0; at < a.size(); at += piece) {
      pieces.add(0, a.data() + at, std::min(piece, a.size() - at));
      if (at < b.size()) pieces.add(1, b.data() + at, std::min(piece, b.size() - at));
    }
    EXPECT_EQ(pieces.digest(), whole.digest()) << piece;
  }
  ShardHasher swapped(2);
  swapped.add(1, a.data(), a.size());
  swapped.add(0, b.data(), b.size());
  EXPECT_NE(swapped.digest(), whole.digest());
}

TEST(ShardHasher, OfRowsInTheFileIsThatOfTheRowsWritten) {
  const Scratch scratch;
  create_results(posix_disk(), scratch / "results.h5", layout_of(25, two_outputs));
  Results results(posix_disk(), scratch / "results.h5", Open::write);
  ShardHasher written(2);
  for (std::size_t output = 0; output < 2; ++output) {
    const std::vector<char> rows = pattern(two_outputs[output].row_bytes() * 10, 3);
    results.write_rows(output, 10, 10, rows.data());
    written.add(output, rows.data(), rows.size());
  }
  ShardHasher read(2);
  hash_rows(results, 10, 4, read);
  hash_rows(results, 14, 6, read);
  EXPECT_EQ(read.digest(), written.digest());
}

}  // namespace
}  // namespace shardmill::store
