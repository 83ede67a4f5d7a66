#include <algorithm>
#include <array>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include "store/safetensors.hpp"
#include "store_scratch.hpp"

namespace shardmill::store {
namespace {

const std::array<float, 6> weights{1, -2, 3.5, 0, 5, 6};
const std::array<std::int64_t, 1> steps{1234567890123};
const std::array<std::uint8_t, 3> flags{1, 0, 1};

std::vector<TensorBytes> some() {
  return {{"flags", DType::uint8, {3}, flags.data()},
          {"layer.weight", DType::float32, {2, 3}, weights.data()},
          {"empty", DType::float16, {0, 4}, nullptr},
          {"steps", DType::int64, {}, steps.data()}};
}

// A file of this header, and bytes behind it.
std::string file_of(const std::string& header, std::size_t data) {
  std::string text(8, '\0');
  for (unsigned i = 0; i < 8; ++i) text[i] = static_cast<char>(header.size() >> (8 * i) & 0xff);
  return text + header + std::string(data, '\0');
}

TEST(Safetensors, WhatIsWrittenIsRead) {
  const Scratch folder;
  write_safetensors(posix_disk(), folder / "a", some(), {{"format", "pt"}, {"who", "Zoë \"quoted\""}});
  EXPECT_FALSE(std::filesystem::exists(folder / "a.tmp"));
  SafetensorsFile file(posix_disk(), folder / "a");
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "pt"}, {"who", "Zoë \"quoted\""}}));
  ASSERT_EQ(file.tensors().size(), 4U);
  for (const TensorInfo& info : file.tensors()) EXPECT_EQ(info.offset % size_of(info.dtype), 0U) << info.name;
  for (const TensorBytes& expected : some()) {
    const auto found = std::find_if(file.tensors().begin(), file.tensors().end(),
                                    [&](const TensorInfo& info) { return info.name == expected.name; });
    ASSERT_NE(found, file.tensors().end()) << expected.name;
    EXPECT_EQ(found->dtype, expected.dtype);
    EXPECT_EQ(found->shape, expected.shape);
    std::string bytes(found->size, '?');
    file.read(*found, bytes.data());
    const auto* wanted = static_cast<const char*>(expected.data);  // null for an empty tensor
    EXPECT_TRUE(expected.data == nullptr || std::equal(bytes.begin(), bytes.end(), wanted));
  }
  write_safetensors(posix_disk(), folder / "none", {}, {});
  EXPECT_TRUE(SafetensorsFile(posix_disk(), folder / "none").tensors().empty());
}

TEST(Safetensors, CutAtAnyByte) {
  const Scratch folder;
  write_safetensors(posix_disk(), folder / "a", some(), {{"format", "pt"}});
  const std::string whole = slurp(folder / "a");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    spit(folder / "b", whole.substr(0, size));
    const std::string said = refusal_of([&] { SafetensorsFile(posix_disk(), folder / "b"); });
    EXPECT_NE(said.find((folder / "b").string() + " cannot be read as safetensors: it "), std::string::npos)
        << size << ": " << said;
  }
  spit(folder / "b", whole + "x");
  EXPECT_NE(refusal_of([&] { SafetensorsFile(posix_disk(), folder / "b"); }).find("1 bytes behind its last tensor"),
            std::string::npos);
}

// A changed byte of the header is refused, or changes a name, a type of the same width, a shape of the same size: what
// is read stays within the file.
TEST(Safetensors, AnyByteOfTheHeaderChanged) {
  const Scratch folder;
  write_safetensors(posix_disk(), folder / "a", some(), {{"format", "pt"}});
  const std::string whole = slurp(folder / "a");
  const std::size_t header = whole.size() - sizeof(weights) - sizeof(steps) - sizeof(flags);
  int refused = 0;
  for (std::size_t at = 0; at < header; ++at) {
    for (int value = 0; value < 256; value += 31) {
      std::string changed = whole;
      changed[at] = static_cast<char>(value);
      if (changed == whole) continue;
      spit(folder / "b", changed);
      try {
        SafetensorsFile file(posix_disk(), folder / "b");
        for (const TensorInfo& info : file.tensors()) {
          ASSERT_LE(info.offset + info.size, whole.size());
          std::string bytes(info.size, '\0');
          file.read(info, bytes.data());
        }
      } catch (const StoreError& error) {
        ++refused;
        ASSERT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
      }
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(Safetensors, HeadersThatAreRefused) {
  const Scratch folder;
  const auto said = [&](const std::string& content) {
    spit(folder / "b", content);
    return refusal_of([&] { SafetensorsFile(posix_disk(), folder / "b"); });
  };
  const auto expect = [&](const std::string& header, const std::string& part, std::size_t data = 8) {
    const std::string message = said(file_of(header, data));
    EXPECT_NE(message.find(part), std::string::npos) << header << " gave: " << message;
  };
  const auto tensor = [](const std::string& type, const std::string& shape, const std::string& offsets) {
    return R"({"dtype":")" + type + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
  };
  const std::string good = tensor("F32", "[2]", "[0,8]");
  EXPECT_EQ(said(file_of(R"({"a":)" + good + "}", 8)), "");
  EXPECT_EQ(said(file_of(R"({"a":)" + good + "}     ", 8)), "");

  expect("", "does not begin with '{'");
  expect("[]", "does not begin with '{'");
  expect(R"({"a":)" + good, "not valid JSON");
  expect(R"({"a":)" + good + R"(,"a":)" + good + "}", "lists \"a\" twice");
  expect(R"({"a":)" + std::string(100'000, '[') + "}", "nested too deeply");
  expect(R"({"a":3})", "is not described by dtype, shape and data_offsets");
  expect(R"({"a":{"dtype":"F32","shape":[2]}})", "is not described by dtype, shape and data_offsets");
  expect(R"({"a":)" + tensor("F8_E4M3", "[8]", "[0,8]") + "}", "has the type \"F8_E4M3\", which is not supported");
  expect(R"({"a":)" + tensor("F32", "2", "[0,8]") + "}", "has no list as its shape");
  expect(R"({"a":)" + tensor("F32", "[-2]", "[0,8]") + "}", "is not a whole number");
  expect(R"({"a":)" + tensor("F32", "[2.5]", "[0,8]") + "}", "is not a whole number");
  expect(R"({"a":)" + tensor("F32", "[99999999999999999999]", "[0,8]") + "}", "is not a whole number");
  expect(R"({"a":)" + tensor("F32", "[4294967296,4294967296,2]", "[0,8]") + "}", "more bytes than there can be");
  expect(R"({"a":)" + tensor("F32", "[4]", "[0,8]") + "}", "has 8 bytes where its type and shape need 16");
  expect(R"({"a":)" + tensor("F32", "[2]", "[0,8,9]") + "}", "has no two data_offsets");
  expect(R"({"a":)" + tensor("F32", "[2]", "[8,0]") + "}", "ends before it begins");
  expect(R"({"a":)" + tensor("F32", "[2]", "[8,16]") + "}", "does not begin where the one before it ends", 16);
  expect(R"({"a":)" + good + R"(,"b":)" + tensor("F32", "[2]", "[4,12]") + "}", "\"b\" overlaps another", 12);
  expect(R"({"a":)" + good + "}", "it has been truncated", 7);
  expect(R"({"__metadata__":{"a":1}})", "its metadata are not names with texts", 0);
  EXPECT_NE(said(std::string("\0\0\0\0\0\0\0\x7f{}", 10)).find("bytes, and 100000000 are the most"), std::string::npos);
  EXPECT_NE(said(std::string(8, '\xff')).find("are the most"), std::string::npos);
  EXPECT_NE(refusal_of([&] { SafetensorsFile(posix_disk(), folder / "none"); }).find("cannot open"), std::string::npos);
}

TEST(Safetensors, AFailingDiskLeavesTheOldFile) {
  const Scratch folder;
  write_safetensors(posix_disk(), folder / "a", some(), {{"format", "old"}});
  const std::string old = slurp(folder / "a");
  FaultyDisk counting(1000);
  write_safetensors(counting, folder / "new", some(), {{"format", "new"}});
  const std::string fresh = slurp(folder / "new");
  for (int call = 1; call <= counting.calls(); ++call) {
    spit(folder / "a", old);
    FaultyDisk disk(call);
    EXPECT_NE(refusal_of([&] { write_safetensors(disk, folder / "a", some(), {{"format", "new"}}); }), "") << call;
    // Only the last call, which syncs the folder, comes after the rename.
    EXPECT_EQ(slurp(folder / "a"), call == counting.calls() ? fresh : old) << call;
  }
}

}  // namespace
}  // namespace shardmill::store
