// Bearer tokens and the file that holds them.
#include <fstream>

#include <gmock/gmock.h>

#include "job/error.hpp"
#include "serve/tokens.hpp"
#include "temp_folder.hpp"

namespace shardmill::serve {
namespace {

using ::testing::HasSubstr;

class TokensTest : public ::testing::Test {
 protected:
  Tokens read(const std::string& text) {
    const auto file = folder_ / "tokens";
    std::ofstream(file) << text;
    return Tokens::read(file);
  }
  std::string refusal(const std::string& text) {
    try {
      read(text);
    } catch (const StoreError& error) {
      return error.what();
    }
    return "";
  }
  test::TempFolder folder_;
};

TEST_F(TokensTest, AdmitsWhoIsInTheFile) {
  // The second is SHA-256 of "second-token-0123456789".
  const Tokens tokens = read(
      "# for the web shop\nfirst-token-0123456789\r\n\n"
      "  sha256:27f11cd7cbbf36c6d1b8504ef9485ac46f813bc4472d57f1f1026e8103b45444  \n");
  EXPECT_EQ(tokens.size(), 2u);
  EXPECT_TRUE(tokens.admit("Bearer first-token-0123456789"));
  EXPECT_TRUE(tokens.admit("bearer  first-token-0123456789"));
  EXPECT_FALSE(tokens.admit("Bearer first-token-012345678"));
  EXPECT_FALSE(tokens.admit("Bearer first-token-01234567890"));
  EXPECT_FALSE(tokens.admit("Basic first-token-0123456789"));
  EXPECT_FALSE(tokens.admit("first-token-0123456789"));
  EXPECT_FALSE(tokens.admit("Bearer "));
  EXPECT_FALSE(tokens.admit("Bearer"));
  EXPECT_FALSE(tokens.admit(""));
  EXPECT_FALSE(tokens.admit("Bearer # for the web shop"));
}

TEST_F(TokensTest, AdmitsByDigest) {
  const Tokens tokens = read("sha256:27f11cd7cbbf36c6d1b8504ef9485ac46f813bc4472d57f1f1026e8103b45444\n");
  EXPECT_TRUE(tokens.admit("Bearer second-token-0123456789"));
  EXPECT_FALSE(tokens.admit("Bearer 27f11cd7cbbf36c6d1b8504ef9485ac46f813bc4472d57f1f1026e8103b45444"));
}

TEST_F(TokensTest, SaysWhatIsWrongWithAFileAndTellsNoToken) {
  EXPECT_THAT(refusal("# nobody\n"), HasSubstr("holds no token"));
  EXPECT_THAT(refusal(""), HasSubstr("holds no token"));
  EXPECT_THAT(refusal("first-token-0123456789\nshort\n"), HasSubstr("line 2 of "));
  EXPECT_THAT(refusal("two words-0123456789-0123456789\n"), HasSubstr("line 1 of "));
  EXPECT_THAT(refusal("sha256:12ab\n"), HasSubstr("64 hexadecimal digits"));
  EXPECT_THAT(refusal("sha256:" + std::string(64, 'x') + "\n"), HasSubstr("64 hexadecimal digits"));
  EXPECT_THAT(refusal("s3cret\n"), ::testing::Not(HasSubstr("s3cret")));
  EXPECT_THROW(Tokens::read(folder_ / "nowhere"), StoreError);
}

}  // namespace
}  // namespace shardmill::serve
