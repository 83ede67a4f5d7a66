// What tells files apart, and loading a file that is replaced meanwhile.
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "job/error.hpp"
#include "serve/file_digest.hpp"
#include "temp_folder.hpp"

namespace shardmill::serve {
namespace {

class FileDigestTest : public ::testing::Test {
 protected:
  void write(const std::string& text) const { std::ofstream(file_) << text; }

  test::TempFolder folder_;
  std::filesystem::path file_ = folder_ / "model";
};

TEST_F(FileDigestTest, IsSha256) {
  write("abc");  // FIPS 180-2, appendix B.1
  EXPECT_EQ(file_digest(file_), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_THROW(file_digest(folder_ / "nothing"), ModelError);
}

TEST_F(FileDigestTest, WhatStaysIsLoadedOnce) {
  write("1");
  int loads = 0;
  EXPECT_EQ(load_unchanged(file_, [&] { ++loads; }), file_digest(file_));
  EXPECT_EQ(loads, 1);
}

TEST_F(FileDigestTest, WhatIsReplacedMeanwhileIsLoadedAgain) {
  write("1");
  int loads = 0;
  const std::string digest = load_unchanged(file_, [&] {
    if (++loads < 3) write(std::to_string(loads + 1));
  });
  EXPECT_EQ(loads, 3);
  EXPECT_EQ(digest, file_digest(file_));
}

TEST_F(FileDigestTest, AFailureWithAFileThatIsGoneDoesNotCount) {
  write("half of it");
  int loads = 0;
  load_unchanged(file_, [&] {
    if (++loads > 1) return;
    write("all of it");
    throw ModelError("it is cut off");
  });
  EXPECT_EQ(loads, 2);
  EXPECT_THROW(load_unchanged(file_, [] { throw ModelError("it is no model"); }), ModelError);
}

TEST_F(FileDigestTest, WhatChangesForEverIsGivenUp) {
  write("0");
  int loads = 0;
  EXPECT_THROW(load_unchanged(file_, [&] { write(std::to_string(++loads)); }), ModelError);
}

}  // namespace
}  // namespace shardmill::serve
