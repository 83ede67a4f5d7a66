// JSON as clients send it, read within bounds. Arrays of numbers, however deep, are kept flat: they are nearly all
// there is in a request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace shardmill::serve {

// A whole number keeps all its digits.
using Number = std::variant<bool, std::int64_t, std::uint64_t, double>;

// A regular nested array, row-major; shape is empty for a number by itself.
struct NumberArray {
  std::vector<std::int64_t> shape;
  std::vector<Number> values;
};

struct JsonValue;
struct JsonObject {
  std::vector<std::pair<std::string, JsonValue>> items;  // in their order; keys are unique
  const JsonValue* find(std::string_view key) const;
};
struct JsonList {
  std::vector<JsonValue> items;
};
struct JsonValue {
  std::variant<std::monostate, NumberArray, std::string, JsonObject, JsonList> value;  // monostate: null

  template <typename Kind>
  const Kind* as() const {
    return std::get_if<Kind>(&value);
  }
  // The number, if it is one by itself.
  const Number* number() const;
  // "null", "a number", "an array of numbers", "text", "an object", "a list"
  std::string description() const;
};

struct JsonLimits {
  std::size_t numbers = 1 << 20;  // in all arrays together
  std::size_t others = 10'000;    // texts, objects, lists and lone numbers
  std::size_t depth = 32;         // of arrays and objects
};

// Throws RequestError (request.hpp), status 400, with what is wrong and where.
JsonValue parse_json(std::string_view text, const JsonLimits& limits);

// The text as JSON, in quotes; what is not UTF-8 is replaced.
std::string json_quoted(std::string_view text);

}  // namespace shardmill::serve
