// TensorBoard's event files, byte by byte.
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>
#include <stdlib.h>

#include "report/event_file.hpp"

namespace shardmill::report {
namespace {

std::string content(const std::filesystem::path& folder) {
  std::ifstream file(std::filesystem::directory_iterator(folder)->path(), std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(EventFile, IsWhatTensorBoardWrites) {
  std::string pattern = (std::filesystem::temp_directory_path() / "shardmill-events-XXXXXX").string();
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  const std::filesystem::path folder = pattern;
  {
    EventFile file(folder, 1.0);
    file.scalar("train/loss", 300, 0.5, 2.0);
  }
  // Made by tensorboard.summary.writer.record_writer and event_pb2 for the same values.
  const std::string first(
      "\x18\0\0\0\0\0\0\0\xa3\x7f\x4b\x22\x09\0\0\0\0\0\0\xf0\x3f\x1a\x0d"
      "brain.Event:2",
      36);
  const std::string written = content(folder);
  EXPECT_EQ(written.substr(0, first.size()), first);
  const std::string event("\x09\0\0\0\0\0\0\0\x40\x10\xac\x02\x2a\x13\x0a\x11\x0a\x0atrain/loss\x15\0\0\0\x3f", 33);
  EXPECT_NE(written.find(event), std::string::npos);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace shardmill::report
