// The bodies of requests and answers.
#include <cstring>
#include <limits>
#include <random>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "serve/api.hpp"

namespace shardmill::serve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ModelSpec digits() {
  return {"digits",
          {{"images", DType::uint8, {2, 3}}},
          {{"label", DType::int64, {}}, {"probabilities", DType::float32, {2}}},
          4};
}

ModelSpec two_inputs() {
  return {"two", {{"a", DType::float32, {2}}, {"b", DType::int64, {}}}, {{"y", DType::float64, {}}}, 4};
}

template <typename T>
std::string bytes_of(std::initializer_list<T> values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), std::data(values), bytes.size());
  return bytes;
}

std::string refusal(const std::function<void()>& read) {
  try {
    read();
  } catch (const RequestError& error) {
    EXPECT_EQ(error.status(), 400);
    return error.what();
  }
  return "";
}
std::string predict_refusal(const std::string& body, const ModelSpec& model = digits()) {
  return refusal([&] { read_predict(body, model); });
}
std::string infer_refusal(const std::string& body, const ModelSpec& model = digits()) {
  return refusal([&] { read_infer(body, std::nullopt, model); });
}

TEST(Predict, TakesARecordOrABatch) {
  const Query one = read_predict(R"({"inputs": [[1, 2, 3], [4, 5, 6]]})", digits());
  EXPECT_TRUE(one.lone);
  EXPECT_EQ(one.rows, 1);
  EXPECT_EQ(one.inputs[0], "\x01\x02\x03\x04\x05\x06");
  const Query two = read_predict(R"({"inputs": {"images": [[[1,2,3],[4,5,6]], [[7,8,9],[10,11,12]]]}})", digits());
  EXPECT_FALSE(two.lone);
  EXPECT_EQ(two.rows, 2);
  EXPECT_EQ(two.inputs[0].size(), 12u);
}

TEST(Predict, TakesInputsByName) {
  const Query query = read_predict(R"({"inputs": {"b": [7, 8], "a": [[1.5, 2], [3, 4]]}})", two_inputs());
  EXPECT_EQ(query.rows, 2);
  EXPECT_EQ(query.inputs[0], bytes_of<float>({1.5f, 2, 3, 4}));
  EXPECT_EQ(query.inputs[1], bytes_of<std::int64_t>({7, 8}));
  const Query lone = read_predict(R"({"inputs": {"b": 7, "a": [1, 2]}})", two_inputs());
  EXPECT_TRUE(lone.lone);
}

TEST(Predict, SaysWhatIsExpected) {
  EXPECT_THAT(predict_refusal("[]"), HasSubstr("{\"inputs\": ...}"));
  EXPECT_THAT(predict_refusal("{}"), HasSubstr("\"inputs\" is missing"));
  EXPECT_THAT(predict_refusal(R"({"input": [1]})"), HasSubstr("unknown key \"input\""));
  EXPECT_THAT(predict_refusal(R"({"inputs": [1, 2]})"),
              HasSubstr("one record of the shape [2, 3] or a batch [-1, 2, 3] of uint8; it has the shape [2]"));
  EXPECT_THAT(predict_refusal(R"({"inputs": "x"})"), HasSubstr("it is text"));
  EXPECT_THAT(predict_refusal(R"({"inputs": []})"), HasSubstr("holds no record"));
  EXPECT_THAT(predict_refusal(R"({"inputs": {"image": [[1,2,3],[4,5,6]]}})"), HasSubstr("there is no input \"image\""));
  EXPECT_THAT(predict_refusal(R"({"inputs": [[1, 2, 300], [4, 5, 6]]})"),
              HasSubstr("value 2 (counted from 0) is 300; it must be a whole number from 0 to 255"));
  EXPECT_THAT(predict_refusal(R"({"inputs": [[1, 2, -1], [4, 5, 6]]})"), HasSubstr("is -1"));
  EXPECT_THAT(predict_refusal(R"({"inputs": [[1, 2, 1.5], [4, 5, 6]]})"), HasSubstr("is 1.5"));
  EXPECT_THAT(predict_refusal(R"({"inputs": [[1, 2, 1e300], [4, 5, 6]]})"), HasSubstr("is 1e+300"));
  EXPECT_THAT(predict_refusal(R"({"inputs": {"a": [1e39, 0], "b": 1}})", two_inputs()), HasSubstr("is 1e+39"));
  EXPECT_THAT(predict_refusal(R"({"inputs": {"a": [1, 0], "b": 18446744073709551615}})", two_inputs()),
              HasSubstr("18446744073709551615"));
  EXPECT_THAT(predict_refusal(R"({"inputs": {"a": [1, 2]}})", two_inputs()), HasSubstr("'b' is missing"));
  EXPECT_THAT(predict_refusal(R"({"inputs": [1, 2]})", two_inputs()), HasSubstr("with the inputs 'a', 'b'"));
  EXPECT_THAT(predict_refusal(R"({"inputs": {"a": [[1, 2], [3, 4]], "b": 1}})", two_inputs()),
              HasSubstr("not as many"));
  std::string five = "[[1,2,3],[4,5,6]]";
  for (int i = 0; i < 4; ++i) five += ",[[1,2,3],[4,5,6]]";
  EXPECT_THAT(predict_refusal("{\"inputs\": [" + five + "]}"), HasSubstr("5 records; a request may have 4"));
}

TEST(Predict, AnswersInTheShapeOfTheQuestion) {
  Query query;
  query.rows = 2;
  Outcome outcome;
  outcome.outputs = {bytes_of<std::int64_t>({3, -4}),
                     bytes_of<float>({0.1f, 1e-20f, std::numeric_limits<float>::quiet_NaN(), 16777216.0f})};
  const auto batch = nlohmann::json::parse(write_predict(query, outcome, digits()).text);
  EXPECT_EQ(batch["outputs"]["label"], nlohmann::json({3, -4}));
  EXPECT_EQ(batch["outputs"]["probabilities"][0][0].get<float>(), 0.1f);
  EXPECT_EQ(batch["outputs"]["probabilities"][0][1].get<float>(), 1e-20f);
  EXPECT_TRUE(batch["outputs"]["probabilities"][1][0].is_null());
  EXPECT_EQ(batch["outputs"]["probabilities"][1][1], 16777216);
  query.rows = 1;
  query.lone = true;
  outcome.outputs = {bytes_of<std::int64_t>({7}), bytes_of<float>({0.25f, 0.75f})};
  EXPECT_EQ(write_predict(query, outcome, digits()).text,
            "{\"outputs\":{\"label\":7,\"probabilities\":[0.25,0.75]}}\n");
}

TEST(Infer, TakesDataInAnyShapeAndOrder) {
  for (const char* data : {"[1,2,3,4,5,6]", "[[[1,2,3],[4,5,6]]]"}) {
    const Query query = read_infer(std::string(R"({"inputs": [{"data": )") + data +
                                       R"(, "datatype": "UINT8", "shape": [1, 2, 3], "name": "images"}], "id": "q"})",
                                   std::nullopt, digits());
    EXPECT_EQ(query.inputs[0], "\x01\x02\x03\x04\x05\x06");
    EXPECT_EQ(query.id, "\"q\"");
    EXPECT_EQ(query.wanted.size(), 2u);
  }
}

TEST(Infer, TakesBinaryData) {
  const std::string json =
      R"({"inputs": [{"name": "b", "datatype": "INT64", "shape": [1], "parameters": {"binary_data_size": 8}},)"
      R"({"name": "a", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}}],)"
      R"("outputs": [{"name": "y", "parameters": {"binary_data": true}}], "parameters": {"timeout": 250000}})";
  const std::string a = bytes_of<float>({1, 2});
  const std::string b = bytes_of<std::int64_t>({5});
  const Query query = read_infer(json + b + a, json.size(), two_inputs());
  EXPECT_EQ(query.inputs[0], a);
  EXPECT_EQ(query.inputs[1], b);
  EXPECT_EQ(query.timeout, 0.25);
  ASSERT_EQ(query.wanted.size(), 1u);
  EXPECT_TRUE(query.wanted[0].binary);
  Outcome outcome;
  outcome.outputs = {bytes_of<double>({0.5})};
  const Body body = write_infer(query, outcome, two_inputs());
  ASSERT_TRUE(body.json_bytes);
  EXPECT_EQ(body.text.substr(*body.json_bytes), outcome.outputs[0]);
  const auto head = nlohmann::json::parse(body.text.substr(0, *body.json_bytes));
  EXPECT_EQ(head["outputs"][0]["parameters"]["binary_data_size"], 8);

  EXPECT_THAT(refusal([&] { read_infer(json + b, json.size(), two_inputs()); }), HasSubstr("has only 0 left"));
  EXPECT_THAT(refusal([&] { read_infer(json + b + a + "x", json.size(), two_inputs()); }), HasSubstr("1 bytes more"));
  EXPECT_THAT(refusal([&] { read_infer(json, json.size() + 1, two_inputs()); }), HasSubstr("more than the body has"));
  EXPECT_THAT(refusal([&] { read_infer(json, SIZE_MAX, two_inputs()); }), HasSubstr("more than the body has"));
}

TEST(Infer, AnyByteOfABooleanIsOne) {
  const ModelSpec model{"m", {{"x", DType::boolean, {2}}}, {}, 1};
  const std::string json =
      R"({"inputs": [{"name": "x", "datatype": "BOOL", "shape": [1, 2], "parameters": {"binary_data_size": 2}}]})";
  EXPECT_EQ(read_infer(json + std::string("\x07\x00", 2), json.size(), model).inputs[0], std::string("\x01\x00", 2));
}

TEST(Infer, SaysWhatIsExpected) {
  const auto with = [](const std::string& input) { return "{\"inputs\": [" + input + "]}"; };
  const std::string data = R"("data": [1,2,3,4,5,6])";
  EXPECT_THAT(infer_refusal("{}"), HasSubstr("\"inputs\" is missing"));
  EXPECT_THAT(infer_refusal(with("")), HasSubstr("'images' is missing"));
  EXPECT_THAT(infer_refusal("{\"inputs\": [1]}"), HasSubstr("list of objects"));
  EXPECT_THAT(infer_refusal(with(R"({"name": "x"})")), HasSubstr("no input \"x\""));
  EXPECT_THAT(infer_refusal(with(R"({"name": 3})")), HasSubstr("\"name\", a text"));
  EXPECT_THAT(infer_refusal(with(R"({"name": "images", "datatype": "FP32"})")),
              HasSubstr("datatype UINT8, not \"FP32\""));
  for (const char* shape : {"[2, 3]", "[1, 3, 2]", "[1, 6]", "[1, 2, 3, 1]"})
    EXPECT_THAT(infer_refusal(with(R"({"name": "images", "datatype": "UINT8", "shape": )" + std::string(shape) + "}")),
                HasSubstr("[-1, 2, 3]"))
        << shape;
  for (const char* shape : {"[0, 2, 3]", "[5, 2, 3]", "[9223372036854775807, 2, 3]"})
    EXPECT_THAT(infer_refusal(with(R"({"name": "images", "datatype": "UINT8", "shape": )" + std::string(shape) + "," +
                                   data + "}")),
                HasSubstr("record"))
        << shape;
  for (const char* shape :
       {"[-1, 2, 3]", "[1.5, 2, 3]", "[18446744073709551615, 2, 3]", "[true, 2, 3]", "[[1, 2, 3]]", "3"})
    EXPECT_THAT(infer_refusal(with(R"({"name": "images", "datatype": "UINT8", "shape": )" + std::string(shape) + "}")),
                HasSubstr("needs \"shape\""))
        << shape;
  const std::string good = R"({"name": "images", "datatype": "UINT8", "shape": [1, 2, 3], )";
  EXPECT_THAT(infer_refusal(with(good + R"("data": [1,2,3]})")), HasSubstr("array of 6 numbers"));
  EXPECT_THAT(infer_refusal(with(good + R"("data": [[1,2,3],[4,5,6]]})")), HasSubstr("array of 6 numbers"));
  EXPECT_THAT(infer_refusal(with(good + R"("id": 3})")), HasSubstr("either \"data\" or"));
  EXPECT_THAT(infer_refusal(with(good + R"("parameters": {"binary_data_size": 7}})")), HasSubstr("has 6 bytes"));
  EXPECT_THAT(infer_refusal(with(good + R"("parameters": {"binary_data_size": -1}})")), HasSubstr("has 6 bytes"));
  EXPECT_THAT(infer_refusal(with(good + data + "}, " + good + data + "}")), HasSubstr("twice"));
  const std::string asks = "{\"inputs\": [" + good + data + "}], \"outputs\": [";
  EXPECT_THAT(infer_refusal(asks + R"({"name": "x"}]})"), HasSubstr("no output \"x\""));
  EXPECT_THAT(infer_refusal(asks + R"({"name": "label"}, {"name": "label"}]})"), HasSubstr("wanted twice"));
  EXPECT_THAT(infer_refusal(asks + R"({"name": "label", "parameters": {"classification": 3}}]})"),
              HasSubstr("classification"));
  EXPECT_THAT(infer_refusal(asks + R"({"name": "label", "parameters": {"binary_data": 1}}]})"),
              HasSubstr("true or false"));
}

// Whatever comes: a query that is whole, or a RequestError.
TEST(Bodies, StandMutation) {
  const std::string predict = R"({"inputs": {"b": [7, 8], "a": [[1.5, 2], [3, -4e2]]}})";
  const std::string json =
      R"({"id": "q", "inputs": [{"name": "b", "datatype": "INT64", "shape": [2], "parameters": {"binary_data_size": 16}},)"
      R"({"name": "a", "datatype": "FP32", "shape": [2, 2], "data": [1, 2, 3, 4]}],)"
      R"("outputs": [{"name": "y", "parameters": {"binary_data": true}}], "parameters": {"timeout": 250000}})";
  const std::string infer = json + bytes_of<std::int64_t>({5, 6});
  const ModelSpec model = two_inputs();
  const std::string pieces = "[]{}\",:0123456789.e-truefalsn\xff";
  std::mt19937 random(20260131);
  const auto below = [&random](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  int good = 0;
  int bad = 0;
  for (int round = 0; round < 40'000; ++round) {
    const bool protocol = round % 2 == 0;
    std::string body = protocol ? infer : predict;
    for (std::size_t change = below(3) + 1; change > 0 && body.size() > 1; --change) {
      const std::size_t at = below(body.size());
      if (below(3) == 0)
        body.erase(at, below(4) + 1);
      else if (below(2) == 0)
        body[at] = pieces[below(pieces.size())];
      else
        body.insert(at, body.substr(below(body.size()), below(12)));
    }
    try {
      const std::size_t header = below(4) == 0 ? below(body.size() + 20) : json.size();
      const Query query = protocol ? read_infer(body, header, model) : read_predict(body, model);
      ++good;
      ASSERT_GE(query.rows, 1);
      ASSERT_LE(query.rows, model.max_batch_size);
      ASSERT_EQ(query.inputs.size(), 2u);
      for (std::size_t i = 0; i < 2; ++i)
        ASSERT_EQ(query.inputs[i].size(), model.inputs[i].bytes() * static_cast<std::size_t>(query.rows)) << body;
    } catch (const RequestError& error) {
      ASSERT_GE(error.status(), 400);
      ++bad;
    }
  }
  EXPECT_GT(good, 500);
  EXPECT_GT(bad, 10'000);
}

TEST(Tensors, FloatsReadBackAsThemselves) {
  std::string text;
  append_json(text, bytes_of<float>({0.1f, 3.4028235e38f, 1e-45f, -0.0f}), DType::float32, {4});
  const auto values = nlohmann::json::parse(text).get<std::vector<float>>();
  EXPECT_THAT(values, ElementsAre(0.1f, 3.4028235e38f, 1e-45f, -0.0f));
  text.clear();
  append_json(text, to_bytes({Number(0.5), Number(std::int64_t{-2})}, DType::float16, "x"), DType::float16, {2});
  EXPECT_EQ(text, "[0.5,-2]");
  EXPECT_THAT(refusal([] { to_bytes({Number(1e5)}, DType::float16, "x"); }), HasSubstr("float16"));
}

TEST(Errors, AreJsonWhateverTheyQuote) {
  EXPECT_EQ(nlohmann::json::parse(write_error("a \"b\" \n \xff").text)["error"].get<std::string>().substr(0, 6),
            "a \"b\" ");
}

}  // namespace
}  // namespace shardmill::serve
