// Records over the feed line: the same as from the file, ahead of the reader, in bounded memory.
#include <gtest/gtest.h>

#include "infer_feed.hpp"
#include "job/error.hpp"

namespace shardmill::infer {
namespace {

using namespace test;

class FedSourceTest : public ::testing::Test {
 protected:
  void begin(std::int64_t records, std::int64_t batch_size) {
    job_ = job_over(folder_, records, batch_size);
    file_ = dataset::open_source(job_.dataset);
    feeding_ = std::make_unique<Feeding>(job_, coordinator::Plan{records, 100});
    fed_ = std::make_unique<FedSource>(feeding_->line, records, file_->fields(), batch_size);
  }

  std::vector<char> read(dataset::RecordSource& source, std::size_t field, std::int64_t first, std::int64_t count) {
    std::vector<char> bytes(static_cast<std::size_t>(count) * source.fields()[field].bytes());
    source.read(field, first, count, bytes.data());
    return bytes;
  }
  // As the reader does: batch by batch, of each all fields.
  void expect_same(std::int64_t first, std::int64_t end) {
    for (std::int64_t row = first; row < end; row += job_.batch_size) {
      const std::int64_t count = std::min(job_.batch_size, end - row);
      for (std::size_t field = 0; field < 2; ++field) {
        ASSERT_EQ(read(*fed_, field, row, count), read(*file_, field, row, count)) << row;
      }
    }
  }

  TempFolder folder_;
  job::Job job_;
  std::unique_ptr<dataset::RecordSource> file_;
  std::unique_ptr<Feeding> feeding_;
  std::unique_ptr<FedSource> fed_;
};

TEST_F(FedSourceTest, GivesWhatTheFileHoldsForeseenOrNot) {
  begin(1000, 16);
  expect_same(0, 100);
  const int alone = feeding_->requests;
  EXPECT_EQ(alone, 14);  // a batch and field each
  fed_->foresee(100, 300);
  expect_same(100, 400);
  EXPECT_EQ(feeding_->requests, alone + 1);  // small batches come together
  expect_same(500, 520);
}

TEST_F(FedSourceTest, RangesComeOneAfterTheOtherOrAreLeftOut) {
  begin(1000, 16);
  for (std::int64_t first = 0; first < 1000; first += 100) fed_->foresee(first, 100);
  expect_same(0, 100);
  expect_same(300, 400);  // those between were revoked
  expect_same(400, 500);
  fed_->foresee(400, 100);  // leased again, from a later row on
  expect_same(432, 500);
  EXPECT_EQ(read(*fed_, 0, 7, 1), read(*file_, 0, 7, 1));
  EXPECT_EQ(read(*fed_, 1, 0, 1000), read(*file_, 1, 0, 1000));
}

TEST_F(FedSourceTest, AsksAheadForTwoPiecesAndNotForMore) {
  constexpr std::int64_t piece = 32'768;  // records in a MiB
  begin(10 * piece, 64);
  fed_->foresee(0, 10 * piece);
  EXPECT_EQ(read(*fed_, 0, 0, 64), read(*file_, 0, 0, 64));
  // Two were asked for, and a third one when the first was begun.
  EXPECT_EQ(read(*fed_, 1, 0, 64), read(*file_, 1, 0, 64));
  while (!feeding_->line.idle()) std::this_thread::yield();
  EXPECT_EQ(feeding_->requests, 3);
  expect_same(64, 10 * piece);
  EXPECT_EQ(feeding_->requests, 10);
}

TEST_F(FedSourceTest, ABatchThatIsLargerThanAPieceComesInOne) {
  begin(100'000, 50'000);
  fed_->foresee(0, 100'000);
  expect_same(0, 100'000);
  EXPECT_EQ(feeding_->requests, 2);
}

TEST_F(FedSourceTest, WhatCannotBeReadKeepsNothingElseFromBeingRead) {
  begin(1000, 16);
  // The last dataset of the file ends it: the records at its end are gone.
  std::filesystem::resize_file(folder_ / "d.h5", std::filesystem::file_size(folder_ / "d.h5") - 80);
  fed_->foresee(900, 100);
  expect_same(900, 980);
  const std::string expected = data_error([&] { read(*file_, 1, 980, 16); });
  EXPECT_NE(expected, "");
  EXPECT_EQ(data_error([&] { read(*fed_, 1, 980, 16); }), expected);
  EXPECT_EQ(read(*fed_, 0, 980, 20), read(*file_, 0, 980, 20));
}

TEST(FeedLine, WhatIsNotAnsweredIsAskedAgain) {
  Outbox outbox;
  FeedLine line(outbox);
  const auto first = line.ask(comm::Fetch{0, comm::Fetch::records, 0, 1, 1});
  const auto second = line.ask(comm::Fetch{0, comm::Fetch::records, 0, 2, 1});
  const auto third = line.ask(comm::Fetch{0, comm::Fetch::records, 0, 3, 1});
  EXPECT_EQ(outbox.take({}).size(), 3U);
  line.answer({first, "one", ""});
  line.forget(third);
  line.ask_again();
  const auto again = outbox.take({});
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(std::get<comm::Fetch>(std::get<comm::Message>(again.front())).id, second);
  EXPECT_FALSE(line.idle());
  line.answer({second, "two", ""});
  EXPECT_TRUE(line.idle());
  EXPECT_EQ(line.wait(first).bytes, "one");
  EXPECT_EQ(line.wait(second).bytes, "two");
}

TEST(FeedLine, WhoWaitsWhenItIsClosedIsToldSo) {
  Outbox outbox;
  FeedLine line(outbox);
  const auto id = line.ask(comm::Fetch{});
  std::thread waiting([&] { EXPECT_THROW(line.wait(id), RankLost); });
  line.close();
  waiting.join();
}

}  // namespace
}  // namespace shardmill::infer
