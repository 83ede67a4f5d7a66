#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "comm/messages.hpp"
#include "job/error.hpp"

namespace shardmill::comm {
namespace {

const std::string hostile = std::string("\n\0\xff\xfe ä", 7);

std::vector<Message> every_kind() {
  return {
      Hello{4711, "node-1", "cuda:0"},
      Ready{2},
      Alive{},
      Progress{1, 2, 3, 4, {{5, "NaN"}, {6, hostile}}},
      Finished{std::numeric_limits<std::int64_t>::max(), -1, 0xc0ffee, 0.125, {{0, ""}}},
      Failed{1, 2, std::string(10'000, 'x')},
      Returned{1, 2},
      GiveUp{"the disk is full"},
      Welcome{"/runs/digits", "1-2-3", "17:4096", "0a1b", "2c3d", {{"label", "int64", {}}}},
      Lease{1, 2, 64, 1, 1, {{7, "signal 9"}}},
      Revoked{1, 2},
      End{75},
      Bye{0},
      Leave{1},
      Asked{1, 2, 64},
      Proceed{1, 2, 64},
      Regroup{3},
      Standing{3, 1, 17, {0, 1, 5}, 12.5},
      Deal{4, 2, 17, 2, {0, 2, 3}, {3}, {0, 0, 1, 2}, {1.0, 0.5, 0.0}},
      Expelled{},
      Loaded{1, 2, "cpu", "0a1b", {{"label", "int64", {}}, {"probabilities", "float32", {2, 5}}}},
      Forward{1, 2, 7, 2, hostile},
      Answered{7, hostile, 0.25, {{1, "NaN"}}},
      Load{1, 2, "/models/a.pt"},
      LoadFailed{1, 2, hostile},
      Unload{1, 2},
      Unsighted{"no such file"},
      Provision{4711, "node-1", "job: infer", 1'000'000, 1797, 64, {{"images", "uint8", {8, 8}}}},
      Fetch{7, Fetch::rows, 1, 64, 16},
      Store{8, 1, {{1, 2, 0, 64, 16, hostile}, {1, 2, 1, 64, 16, ""}}},
      Served{7, hostile, ""},
  };
}

std::vector<std::byte> encode(const Message& message) {
  std::vector<std::byte> bytes;
  comm::encode(message, bytes);
  return bytes;
}

// Of the bytes of one message.
Message decode(const std::vector<std::byte>& bytes) {
  const std::vector<Message> messages = comm::decode(bytes.data(), bytes.size());
  EXPECT_EQ(messages.size(), 1U);
  return messages.front();
}

TEST(Messages, EveryKindIsThere) { EXPECT_EQ(every_kind().size(), std::variant_size_v<Message>); }

TEST(Messages, ArriveAsTheyWereSent) {
  for (const Message& message : every_kind()) {
    const std::vector<std::byte> bytes = encode(message);
    EXPECT_TRUE(decode(bytes) == message) << message.index();
    EXPECT_TRUE(encode(decode(bytes)) == bytes) << message.index();
  }
}

TEST(Messages, HaveTheFormatThatTheHeaderSays) {
  const std::vector<std::byte> bytes = encode(Returned{0x0102, -1});
  const std::vector<int> expected = {5, 6, 2, 1, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  ASSERT_EQ(bytes.size(), expected.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) EXPECT_EQ(std::to_integer<int>(bytes[i]), expected[i]) << i;
}

TEST(Messages, TravelTogetherAndArriveInOrder) {
  std::vector<std::byte> bytes;
  for (const Message& message : every_kind()) comm::encode(message, bytes);
  EXPECT_TRUE(comm::decode(bytes.data(), bytes.size()) == every_kind());
  bytes.pop_back();
  EXPECT_THROW(comm::decode(bytes.data(), bytes.size()), RankLost);
  EXPECT_THROW(comm::decode(bytes.data(), 0), RankLost);
}

TEST(Messages, CutAnywhereAreRefused) {
  for (const Message& message : every_kind()) {
    std::vector<std::byte> bytes = encode(message);
    while (!bytes.empty()) {
      bytes.pop_back();
      EXPECT_THROW(decode(bytes), RankLost);
    }
  }
}

TEST(Messages, TooLongOnesAreRefused) {
  for (const Message& message : every_kind()) {
    std::vector<std::byte> bytes = encode(message);
    bytes.push_back(std::byte{0});
    EXPECT_THROW(decode(bytes), RankLost);
  }
}

TEST(Messages, OfAnotherVersionOrOfNoKindAreRefused) {
  std::vector<std::byte> bytes = encode(Alive{});
  for (int version = 0; version < 256; ++version) {
    bytes[0] = static_cast<std::byte>(version);
    if (version == wire_version) {
      EXPECT_NO_THROW(decode(bytes));
    } else {
      EXPECT_THROW(decode(bytes), RankLost);
    }
  }
  bytes[0] = std::byte{wire_version};
  for (std::size_t kind = std::variant_size_v<Message>; kind < 256; ++kind) {
    bytes[1] = static_cast<std::byte>(kind);
    EXPECT_THROW(decode(bytes), RankLost);
  }
}

TEST(Messages, LengthsThatTheBytesCannotHoldAreRefusedBeforeAnythingIsAllocated) {
  std::vector<std::byte> bytes = encode(GiveUp{"abc"});
  for (std::size_t i = 2; i < 6; ++i) bytes[i] = std::byte{0xff};  // a text of four GiB
  EXPECT_THROW(decode(bytes), RankLost);
  bytes = encode(Progress{1, 2, 3, 4, {}});
  for (std::size_t i = bytes.size() - 4; i < bytes.size(); ++i) bytes[i] = std::byte{0xff};  // as many bad records
  EXPECT_THROW(decode(bytes), RankLost);
}

TEST(Messages, RandomBytesAreRefusedOrAMessageButNeverACrash) {
  std::mt19937 random(1);
  const auto messages = every_kind();
  for (int i = 0; i < 50'000; ++i) {
    std::vector<std::byte> bytes(random() % 64);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    if (bytes.size() >= 2) {
      bytes[0] = std::byte{wire_version};
      bytes[1] = static_cast<std::byte>(random() % std::variant_size_v<Message>);
    }
    if (i % 2 == 0) {
      bytes = encode(messages[random() % messages.size()]);
      for (int changes = 0; changes < 3; ++changes) bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    }
    try {
      static_cast<void>(comm::decode(bytes.data(), bytes.size()));
    } catch (const RankLost&) {
    }
  }
}

}  // namespace
}  // namespace shardmill::comm
