// libFuzzer throws bytes at the readers of requests: whatever a client sends, it is either refused with a sentence or
// becomes a request of exactly the bytes that its model takes.
//
// The first byte of the input chooses reader and model, the next two where JSON ends for binary data; the rest is the
// body.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "serve/api.hpp"

namespace {

using namespace shardmill;
using namespace shardmill::serve;

const std::vector<ModelSpec>& models() {
  static const std::vector<ModelSpec> specs{
      {"digits", {{"images", DType::uint8, {2, 3}}}, {{"label", DType::int64, {}}, {"p", DType::float32, {2}}}, 4},
      {"numbers",
       {{"a", DType::float32, {2}}, {"b", DType::int64, {}}, {"c", DType::boolean, {1, 2}}},
       {{"y", DType::float64, {}}, {"z", DType::boolean, {3}}},
       3},
      {"halves", {{"x", DType::float16, {}}}, {{"h", DType::bfloat16, {2, 2}}, {"u", DType::uint64, {}}}, 8},
  };
  return specs;
}

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

void check(const Query& query, const ModelSpec& model) {
  require(query.rows >= 1 && query.rows <= model.max_batch_size, "a request has records, and no more than it may");
  require(query.inputs.size() == model.inputs.size(), "every input is there");
  for (std::size_t i = 0; i < model.inputs.size(); ++i) {
    require(query.inputs[i].size() == model.inputs[i].bytes() * static_cast<std::size_t>(query.rows),
            "an input has the bytes of its shape");
  }
}

// An answer of bytes that vary.
Outcome outcome_of(const Query& query, const ModelSpec& model) {
  Outcome outcome;
  for (const TensorSpec& output : model.outputs) {
    std::string bytes(output.bytes() * static_cast<std::size_t>(query.rows), '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] =
          output.dtype == DType::boolean ? static_cast<char>(i % 2) : query.inputs[0][i % query.inputs[0].size()];
    }
    outcome.outputs.push_back(std::move(bytes));
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const ModelSpec& model = models()[data[0] / 2 % models().size()];
  const bool by_protocol = data[0] % 2 == 1;
  const std::size_t json_bytes = data[1] * 256U + data[2];
  const std::string_view body(reinterpret_cast<const char*>(data) + 3, size - 3);
  try {
    if (by_protocol) {
      const Query query = read_infer(body, json_bytes == 0 ? std::nullopt : std::optional(json_bytes), model);
      check(query, model);
      const Body answer = write_infer(query, outcome_of(query, model), model);
      require(answer.json_bytes.value_or(answer.text.size()) <= answer.text.size(), "an answer's JSON is part of it");
      static_cast<void>(
          parse_json(std::string_view(answer.text).substr(0, answer.json_bytes.value_or(answer.text.size())), {}));
    } else {
      const Query query = read_predict(body, model);
      check(query, model);
      static_cast<void>(parse_json(write_predict(query, outcome_of(query, model), model).text, {}));
    }
  } catch (const RequestError& error) {
    require(error.status() == 400, "a request that cannot be read is the client's mistake");
    static_cast<void>(parse_json(write_error(error.what()).text, {}));
  }
  return 0;
}
