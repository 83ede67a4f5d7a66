// JSON from clients: what is taken, what is refused, and that nothing brings the reader down.
#include <array>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "serve/json_value.hpp"
#include "serve/request.hpp"

namespace shardmill::serve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string refusal(const std::string& text, const JsonLimits& limits = {}) {
  try {
    parse_json(text, limits);
  } catch (const RequestError& error) {
    EXPECT_EQ(error.status(), 400);
    return error.what();
  }
  return "";
}

NumberArray array(const std::string& text) {
  const JsonValue value = parse_json(text, {});
  EXPECT_NE(value.as<NumberArray>(), nullptr) << text;
  return value.as<NumberArray>() == nullptr ? NumberArray{} : *value.as<NumberArray>();
}

TEST(Json, KeepsArraysOfNumbersFlat) {
  EXPECT_THAT(array("[[1, 2, 3], [4, 5, 6]]").shape, ElementsAre(2, 3));
  EXPECT_EQ(array("[[1, 2, 3], [4, 5, 6]]").values.size(), 6u);
  EXPECT_THAT(array("[[[1]], [[2]]]").shape, ElementsAre(2, 1, 1));
  EXPECT_THAT(array("[]").shape, ElementsAre(0));
  EXPECT_THAT(array("[[], []]").shape, ElementsAre(2, 0));
  EXPECT_TRUE(array("3").shape.empty());
}

TEST(Json, KeepsAllDigitsOfWholeNumbers) {
  const NumberArray numbers = array("[9223372036854775807, -9223372036854775808, 18446744073709551615, 1.5, true]");
  EXPECT_EQ(numbers.values[0], Number(std::uint64_t{9223372036854775807u}));
  EXPECT_EQ(numbers.values[1], Number(std::int64_t{INT64_MIN}));
  EXPECT_EQ(numbers.values[2], Number(std::uint64_t{UINT64_MAX}));
  EXPECT_EQ(numbers.values[3], Number(1.5));
  EXPECT_EQ(numbers.values[4], Number(true));
}

// As languages without whole numbers write them.
TEST(Json, TakesWholeNumbersBeyondAllTypesAsTheNearestFloat) {
  EXPECT_EQ(array("[100000000000000000000]").values[0], Number(1e20));
  EXPECT_EQ(array("[-9223372036854775809]").values[0], Number(-9223372036854775808.0));
}

TEST(Json, TakesNumbersNextToZero) {
  for (const char* text : {"[0e308]", "[0.0]", "[-0.0]", "[1e-400]", "[-1e-400]", "[1e-330]"})
    EXPECT_EQ(array(text).values[0], Number(0.0)) << text;
  EXPECT_EQ(array("[5e-324]").values[0], Number(5e-324));
  EXPECT_EQ(array("[-0]").values[0], Number(std::uint64_t{0}));
}

// To the last bit, as strtod does.
TEST(Json, ReadsFloatsExactly) {
  std::mt19937_64 random(20261126);
  std::string text = "[";
  std::vector<double> expected;
  for (int i = 0; i < 20'000; ++i) {
    const auto value = std::bit_cast<double>(random());
    if (!std::isfinite(value)) continue;
    std::array<char, 40> written{};
    std::snprintf(written.data(), written.size(), "%.*e", static_cast<int>(random() % 20), value);
    const double nearest = std::strtod(written.data(), nullptr);
    if (!std::isfinite(nearest)) continue;  // rounded up beyond the largest
    text += (expected.empty() ? "" : ",") + std::string(written.data());
    expected.push_back(nearest);
  }
  const NumberArray numbers = array(text + "]");
  ASSERT_EQ(numbers.values.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_EQ(numbers.values[i], Number(expected[i])) << i;
}

TEST(Json, HasObjectsAndLists) {
  const JsonValue value = parse_json(R"({"a": {"b": null}, "c": [{"d": [1, 2]}, {"e": "x"}], "f": ["g", "h"]})", {});
  const auto* root = value.as<JsonObject>();
  ASSERT_NE(root, nullptr);
  EXPECT_EQ(root->find("a")->as<JsonObject>()->find("b")->description(), "null");
  const auto* list = root->find("c")->as<JsonList>();
  ASSERT_NE(list, nullptr);
  ASSERT_EQ(list->items.size(), 2u);
  EXPECT_THAT(list->items[0].as<JsonObject>()->find("d")->as<NumberArray>()->shape, ElementsAre(2));
  EXPECT_EQ(root->find("f")->as<JsonList>()->items.size(), 2u);
  EXPECT_EQ(root->find("nothing"), nullptr);
}

TEST(Json, RefusesWhatIsIrregular) {
  for (const char* text :
       {"[1, [2]]", "[[1], 2]", "[[1, 2], [3]]", "[[], [1]]", "[[1], []]", "[[], [[1]]]", "[[1], [[2]]]"})
    EXPECT_THAT(refusal(text), HasSubstr("not regular")) << text;
  for (const char* text : {"[1, \"a\"]", "[1, {}]", "[[{}]]", "[[\"a\"]]", "[1, null]"})
    EXPECT_THAT(refusal(text), HasSubstr("mixes")) << text;
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const char* text : {"", "{", "[1, 2", "{\"a\": }", "[1,]", "{\"a\" 1}", "nul", "'a'", "[1] [2]", "NaN",
                           "[Infinity]", "\"\xff\"", "[01]", "{\"a\": 1,}", "// x\n1"})
    EXPECT_THAT(refusal(text), HasSubstr("is not JSON")) << text;
  EXPECT_THAT(refusal(std::string("[1]\0[2]", 7)), HasSubstr("is not JSON: there is a mistake at byte 3"));
  EXPECT_THAT(refusal("\"\\ud800\""), HasSubstr("is not JSON"));
  EXPECT_THAT(refusal("[1, 2 3]"), HasSubstr("at byte 6"));
  EXPECT_THAT(refusal("[1e400]"), HasSubstr("too large"));
  EXPECT_THAT(refusal("{\"a\": 1, \"a\": 2}"), HasSubstr("twice"));
}

TEST(Json, IsBounded) {
  const std::string deep = std::string(1'000'000, '[');
  EXPECT_THAT(refusal(deep), HasSubstr("nested"));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_THAT(refusal(objects), HasSubstr("nested"));
  JsonLimits limits;
  limits.numbers = 10;
  EXPECT_EQ(refusal("[1,2,3,4,5,6,7,8,9,10]", limits), "");
  EXPECT_THAT(refusal("[1,2,3,4,5,6,7,8,9,10,11]", limits), HasSubstr("more numbers"));
  EXPECT_THAT(refusal("{\"a\": [1,2,3,4,5,6], \"b\": [1,2,3,4,5,6]}", limits), HasSubstr("more numbers"));
  limits.others = 5;
  EXPECT_THAT(refusal("[{},{},{},{},{},{}]", limits), HasSubstr("more than 5 values"));
  EXPECT_THAT(refusal("[\"\",\"\",\"\",\"\",\"\",\"\"]", limits), HasSubstr("more than 5 values"));
}

// Whatever comes: a value or a RequestError, never anything else.
TEST(Json, StandsMutatedText) {
  const std::string seed =
      R"({"id": "a\u00e4", "inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [[1.5, -2e3], [0, 4]],)"
      R"( "parameters": {"binary_data_size": 16, "flag": true}}], "outputs": [], "n": null})";
  const std::string alphabet = "[]{}\",:0123456789.eE+-truefalsn \\u\xff";
  std::mt19937 random(20260131);
  const auto below = [&random](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  JsonLimits limits;
  limits.numbers = 100;
  limits.others = 100;
  int good = 0;
  int bad = 0;
  for (int round = 0; round < 50'000; ++round) {
    std::string text = seed;
    for (std::size_t change = below(6) + 1; change > 0 && !text.empty(); --change) {
      const std::size_t at = below(text.size());
      switch (below(4)) {
        case 0:
          text[at] = alphabet[below(alphabet.size())];
          break;
        case 1:
          text.insert(at, 1, alphabet[below(alphabet.size())]);
          break;
        case 2:
          text.erase(at, below(8) + 1);
          break;
        default:
          text.insert(at, text.substr(below(text.size()), below(40)));
      }
    }
    try {
      parse_json(text, limits);
      EXPECT_TRUE(nlohmann::json::accept(text)) << text;
      ++good;
    } catch (const RequestError& error) {
      EXPECT_NE(std::string(error.what()), "");
      ++bad;
    }
  }
  EXPECT_GT(good, 100);
  EXPECT_GT(bad, 10'000);
}

}  // namespace
}  // namespace shardmill::serve
