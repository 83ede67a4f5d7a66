#include "serve/json_value.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <string>
#include <system_error>

#include <nlohmann/json.hpp>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include "serve/request.hpp"

namespace shardmill::serve {
namespace {

constexpr std::int64_t unknown = -1;

[[noreturn]] void refuse(const std::string& message) { throw RequestError(400, message); }

template <typename Value>
std::optional<Value> whole(std::string_view text) {
  Value value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

// Of text that is a number in JSON. What is whole, but too large for that, is the nearest float.
Number number_of(std::string_view text) {
  if (text.front() != '-') {
    if (const auto value = whole<std::uint64_t>(text)) return *value;
  } else if (const auto value = whole<std::int64_t>(text)) {
    return *value;
  }
  if (const auto value = whole<double>(text)) return *value;
  // Out of range: too large, or so small that it is nearly zero.
  const double value = std::strtod(std::string(text).c_str(), nullptr);
  if (!std::isfinite(value)) refuse("the number " + std::string(text.substr(0, 40)) + " is too large for any type");
  return value;
}

// The array of numbers that is being read.
struct OpenArray {
  NumberArray array;
  std::vector<std::int64_t> counts;  // of the arrays that are open, from the outermost
  std::size_t leaf = 0;              // depth at which numbers stand; 0: none has come yet
};

// Told by RapidJSON's reader what comes, piece by piece.
class Builder {
 public:
  explicit Builder(const JsonLimits& limits) : limits_(limits) {}

  JsonValue take() { return std::move(root_); }

  bool Null() { return other({}); }
  bool Bool(bool value) { return put(Number(value)); }
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) { return put(number_of({text, size})); }
  // What would come without kParseNumbersAsStringsFlag.
  bool Int(int) { return false; }
  bool Int64(std::int64_t) { return false; }
  bool Uint(unsigned) { return false; }
  bool Uint64(std::uint64_t) { return false; }
  bool Double(double) { return false; }
  bool String(const char* text, rapidjson::SizeType size, bool) { return other({std::string(text, size)}); }

  bool StartObject() {
    close_for_other();
    enter();
    count_other();
    frames_.push_back({JsonValue{JsonObject{}}, {}});
    return true;
  }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    std::string name(text, size);
    const auto& object = std::get<JsonObject>(frames_.back().value.value);
    if (object.find(name) != nullptr) refuse("the key " + json_quoted(name) + " is there twice");
    frames_.back().key = std::move(name);
    return true;
  }
  bool EndObject(rapidjson::SizeType) { return leave(); }

  bool StartArray() {
    enter();
    if (!open_) {
      open_.emplace();
    } else {
      if (open_->leaf != 0 && open_->counts.size() >= open_->leaf) refuse_ragged();
      ++open_->counts.back();
    }
    open_->counts.push_back(0);
    if (open_->array.shape.size() < open_->counts.size()) open_->array.shape.push_back(unknown);
    return true;
  }
  bool EndArray(rapidjson::SizeType) {
    if (!open_) return leave();
    const std::int64_t count = open_->counts.back();
    std::int64_t& extent = open_->array.shape[open_->counts.size() - 1];
    if (extent != unknown && extent != count) refuse_ragged();
    extent = count;
    open_->counts.pop_back();
    --depth_;
    if (open_->counts.empty()) {
      NumberArray array = std::move(open_->array);
      open_.reset();
      add({std::move(array)});
    }
    return true;
  }

 private:
  struct Frame {
    JsonValue value;  // an object or a list
    std::string key;  // of what comes next
  };

  [[noreturn]] static void refuse_ragged() {
    refuse("an array of numbers is not regular: all arrays of one level must have the same length");
  }

  void enter() {
    if (++depth_ > limits_.depth)
      refuse("arrays and objects are nested more than " + std::to_string(limits_.depth) + " levels deep");
  }
  void count_other() {
    if (++others_ > limits_.others) refuse("there are more than " + std::to_string(limits_.others) + " values");
  }

  bool put(const Number& number) {
    if (!open_) return other({NumberArray{{}, {number}}});
    if (open_->leaf == 0) open_->leaf = open_->counts.size();
    if (open_->leaf != open_->counts.size() || open_->leaf != open_->array.shape.size()) refuse_ragged();
    if (numbers_ + open_->array.values.size() >= limits_.numbers)
      refuse("there are more numbers than the inputs of a largest batch have, " + std::to_string(limits_.numbers));
    ++open_->counts.back();
    open_->array.values.push_back(number);
    return true;
  }

  // What is no number has come: the innermost array was a list all along.
  void close_for_other() {
    if (!open_) return;
    if (open_->counts.size() != 1 || open_->counts[0] != 0) refuse("an array mixes numbers with other values");
    open_.reset();
    count_other();
    frames_.push_back({JsonValue{JsonList{}}, {}});
  }

  bool other(JsonValue value) {
    close_for_other();
    count_other();
    add(std::move(value));
    return true;
  }

  void add(JsonValue value) {
    if (const auto* array = value.as<NumberArray>()) numbers_ += array->values.size();
    if (frames_.empty()) {
      root_ = std::move(value);
      return;
    }
    Frame& frame = frames_.back();
    if (auto* object = std::get_if<JsonObject>(&frame.value.value)) {
      object->items.emplace_back(std::move(frame.key), std::move(value));
    } else {
      std::get<JsonList>(frame.value.value).items.push_back(std::move(value));
    }
  }

  bool leave() {
    --depth_;
    JsonValue value = std::move(frames_.back().value);
    frames_.pop_back();
    add(std::move(value));
    return true;
  }

  const JsonLimits& limits_;
  JsonValue root_;
  std::vector<Frame> frames_;
  std::optional<OpenArray> open_;
  std::size_t depth_ = 0;
  std::size_t numbers_ = 0;
  std::size_t others_ = 0;
};

}  // namespace

const JsonValue* JsonObject::find(std::string_view key) const {
  const auto found = std::find_if(items.begin(), items.end(), [key](const auto& item) { return item.first == key; });
  return found == items.end() ? nullptr : &found->second;
}

const Number* JsonValue::number() const {
  const auto* array = as<NumberArray>();
  return array != nullptr && array->shape.empty() ? &array->values.front() : nullptr;
}

std::string JsonValue::description() const {
  if (number() != nullptr) return "a number";
  if (as<NumberArray>() != nullptr) return "an array of numbers";
  if (as<std::string>() != nullptr) return "text";
  if (as<JsonObject>() != nullptr) return "an object";
  if (as<JsonList>() != nullptr) return "a list";
  return "null";
}

JsonValue parse_json(std::string_view text, const JsonLimits& limits) {
  // Iterative: depth costs no stack. Numbers are left to the standard library, which reads them to the last bit.
  constexpr unsigned flags =
      rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseValidateEncodingFlag;
  Builder builder(limits);
  rapidjson::MemoryStream stream(text.data(), text.size());
  const rapidjson::ParseResult result = rapidjson::Reader().Parse<flags>(stream, builder);
  // For the reader a byte of zero is the end.
  if (!result.IsError() && stream.Tell() == text.size()) return builder.take();
  const std::string at = "at byte " + std::to_string(result.IsError() ? result.Offset() : stream.Tell());
  if (result.Code() == rapidjson::kParseErrorNumberTooBig) refuse("the number " + at + " is too large for any type");
  refuse("the body is not JSON: there is a mistake " + at);
}

std::string json_quoted(std::string_view text) {
  return nlohmann::json(std::string(text)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace shardmill::serve
