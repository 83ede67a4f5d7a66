#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "job/error.hpp"
#include "train/rows.hpp"

namespace shardmill::train {
namespace {

struct Read {
  std::int64_t first;
  std::int64_t count;
  friend bool operator==(const Read&, const Read&) = default;
};

// Two fields: the record's number, and that number three times. Notes what is read of the first.
class Numbers : public dataset::RecordSource {
 public:
  Numbers(std::int64_t records, std::vector<Read>& reads) : records_(records), reads_(reads) {
    fields_ = {{"one", DType::int64, {}}, {"three", DType::int32, {3}}};
  }
  std::int64_t records() const override { return records_; }
  const std::vector<dataset::Field>& fields() const override { return fields_; }
  void read(std::size_t field, std::int64_t first, std::int64_t count, void* destination) override {
    SHARDMILL_CHECK(first >= 0 && first + count <= records_, "outside");
    if (field == 0) reads_.push_back({first, count});
    for (std::int64_t i = 0; i < count; ++i) {
      if (field == 0) {
        static_cast<std::int64_t*>(destination)[i] = first + i;
      } else {
        for (std::int64_t j = 0; j < 3; ++j)
          static_cast<std::int32_t*>(destination)[3 * i + j] = static_cast<std::int32_t>(first + i);
      }
    }
  }

 private:
  std::int64_t records_;
  std::vector<Read>& reads_;
  std::vector<dataset::Field> fields_;
};

std::vector<std::int64_t> gather(Rows& rows, const std::vector<std::int64_t>& starts, std::int64_t length = 1) {
  std::vector<std::int64_t> values(starts.size() * static_cast<std::size_t>(length));
  rows.gather(0, starts, length, values.data());
  return values;
}

TEST(TrainRows, InAnyOrderFromMemoryAndFile) {
  const std::vector<std::int64_t> wanted = {7, 3, 99, 4, 3, 0, 50, 5, 98};
  for (const bool in_memory : {true, false}) {
    std::vector<Read> reads;
    Rows rows(std::make_unique<Numbers>(100, reads), in_memory);
    EXPECT_EQ(rows.in_memory(), in_memory);
    EXPECT_EQ(rows.records(), 100);
    EXPECT_EQ(gather(rows, wanted), wanted);
    std::vector<std::int32_t> three(6);
    rows.gather(1, {9, 8}, 1, three.data());
    EXPECT_EQ(three, (std::vector<std::int32_t>{9, 9, 9, 8, 8, 8}));
    EXPECT_EQ(gather(rows, {}), std::vector<std::int64_t>{});
  }
}

TEST(TrainRows, BlocksMayOverlap) {
  for (const bool in_memory : {true, false}) {
    std::vector<Read> reads;
    Rows rows(std::make_unique<Numbers>(10, reads), in_memory);
    EXPECT_EQ(gather(rows, {6, 0, 3}, 4), (std::vector<std::int64_t>{6, 7, 8, 9, 0, 1, 2, 3, 3, 4, 5, 6}));
  }
}

TEST(TrainRows, AFileIsReadInOrderAndInRuns) {
  std::vector<Read> reads;
  Rows rows(std::make_unique<Numbers>(100, reads), false);
  gather(rows, {50, 11, 10, 13, 12, 11, 80});
  EXPECT_EQ(reads, (std::vector<Read>{{10, 4}, {50, 1}, {80, 1}}));
}

TEST(TrainRows, MemoryIsReadOnce) {
  std::vector<Read> reads;
  Rows rows(std::make_unique<Numbers>(100, reads), true);
  gather(rows, {5});
  gather(rows, {6});
  EXPECT_EQ(reads, (std::vector<Read>{{0, 100}}));
}

TEST(TrainRows, LongRunsAreReadInPieces) {
  std::vector<Read> reads;
  const std::int64_t count = 3 << 20;  // 24 MiB
  Rows rows(std::make_unique<Numbers>(count, reads), false);
  std::vector<std::int64_t> all(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int64_t>(i);
  EXPECT_EQ(gather(rows, all), all);
  EXPECT_EQ(reads, (std::vector<Read>{{0, 1 << 20}, {1 << 20, 1 << 20}, {2 << 20, 1 << 20}}));
}

TEST(TrainRows, OutsideIsABrokenInvariant) {
  std::vector<Read> reads;
  Rows rows(std::make_unique<Numbers>(10, reads), true);
  EXPECT_THROW(gather(rows, {10}), CheckFailure);
  EXPECT_THROW(gather(rows, {-1}), CheckFailure);
  EXPECT_THROW(gather(rows, {8}, 3), CheckFailure);
}

TEST(TrainRows, BytesAndMemory) {
  std::vector<Read> reads;
  EXPECT_EQ(bytes_of(Numbers(10, reads)), 10U * (8 + 12));
  EXPECT_GT(available_memory(), std::size_t{1} << 20);
}

}  // namespace
}  // namespace shardmill::train
