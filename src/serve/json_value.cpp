#include "serve/json_value.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>
#include <simdjson.h>

#include "serve/request.hpp"

namespace shardmill::serve {
namespace {

namespace dom = simdjson::dom;

constexpr std::int64_t unknown = -1;
constexpr int number_overflow = 406;                       // nlohmann's number for it
constexpr std::size_t kept_parser = std::size_t{1} << 20;  // bytes of text; for longer ones it is made anew

[[noreturn]] void refuse(const std::string& message) { throw RequestError(400, message); }

[[noreturn]] void refuse_at(std::size_t byte) {
  refuse("the body is not JSON: there is a mistake at byte " + std::to_string(byte));
}

// The array of numbers that is being read.
struct OpenArray {
  NumberArray array;
  std::vector<std::int64_t> counts;  // of the arrays that are open, from the outermost
  std::size_t leaf = 0;              // depth at which numbers stand; 0: none has come yet
};

// Told what comes, piece by piece; what it is made of stays the caller's.
class Builder {
 public:
  explicit Builder(const JsonLimits& limits) : limits_(limits) {}

  JsonValue take() { return std::move(root_); }

  void none() { other({}); }
  void number(const Number& value) {
    if (!open_) return other({NumberArray{{}, {value}}});
    if (open_->leaf == 0) open_->leaf = open_->counts.size();
    if (open_->leaf != open_->counts.size() || open_->leaf != open_->array.shape.size()) refuse_ragged();
    if (numbers_ + open_->array.values.size() >= limits_.numbers)
      refuse("there are more numbers than the inputs of a largest batch have, " + std::to_string(limits_.numbers));
    ++open_->counts.back();
    open_->array.values.push_back(value);
  }
  void text(std::string_view value) { other({std::string(value)}); }

  void begin_object() {
    close_for_other();
    enter();
    count_other();
    frames_.push_back({JsonValue{JsonObject{}}, {}});
  }
  void key(std::string_view name) {
    const auto& object = std::get<JsonObject>(frames_.back().value.value);
    if (object.find(name) != nullptr) refuse("the key " + json_quoted(name) + " is there twice");
    frames_.back().key = name;
  }
  void end_object() { leave(); }

  void begin_array() {
    enter();
    if (!open_) {
      open_.emplace();
    } else {
      if (open_->leaf != 0 && open_->counts.size() >= open_->leaf) refuse_ragged();
      ++open_->counts.back();
    }
    open_->counts.push_back(0);
    if (open_->array.shape.size() < open_->counts.size()) open_->array.shape.push_back(unknown);
  }
  void end_array() {
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

  // What is no number has come: the innermost array was a list all along.
  void close_for_other() {
    if (!open_) return;
    if (open_->counts.size() != 1 || open_->counts[0] != 0) refuse("an array mixes numbers with other values");
    open_.reset();
    count_other();
    frames_.push_back({JsonValue{JsonList{}}, {}});
  }

  void other(JsonValue value) {
    close_for_other();
    count_other();
    add(std::move(value));
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

  void leave() {
    --depth_;
    JsonValue value = std::move(frames_.back().value);
    frames_.pop_back();
    add(std::move(value));
  }

  const JsonLimits& limits_;
  JsonValue root_;
  std::vector<Frame> frames_;
  std::optional<OpenArray> open_;
  std::size_t depth_ = 0;
  std::size_t numbers_ = 0;
  std::size_t others_ = 0;
};

// What is not negative is unsigned, whichever way it was read.
Number whole(std::int64_t value) { return value < 0 ? Number(value) : Number(static_cast<std::uint64_t>(value)); }

template <typename Value>
Value known(const dom::element& element) {
  Value value{};
  SHARDMILL_CHECK(element.get(value) == simdjson::SUCCESS, "an element is of its type");
  return value;
}

// Recurses no deeper than simdjson has read, 1,024 levels, and the builder allows.
void tell(const dom::element& element, Builder& builder) {
  switch (element.type()) {
    case dom::element_type::DOUBLE:
      return builder.number(known<double>(element));
    case dom::element_type::INT64:
      return builder.number(whole(known<std::int64_t>(element)));
    case dom::element_type::UINT64:
      return builder.number(known<std::uint64_t>(element));
    case dom::element_type::BOOL:
      return builder.number(known<bool>(element));
    case dom::element_type::NULL_VALUE:
      return builder.none();
    case dom::element_type::STRING:
      return builder.text(known<std::string_view>(element));
    case dom::element_type::ARRAY:
      builder.begin_array();
      for (const dom::element child : known<dom::array>(element)) tell(child, builder);
      return builder.end_array();
    case dom::element_type::OBJECT:
      builder.begin_object();
      for (const auto& [name, child] : known<dom::object>(element)) {
        builder.key(name);
        tell(child, builder);
      }
      return builder.end_object();
  }
}

// The same by nlohmann's reader, for what simdjson does not take: it knows where a mistake is, and whole numbers beyond
// all types. It does not recurse.
class Patient {
 public:
  Patient(Builder& builder, std::size_t size) : builder_(builder), size_(size) {}

  bool null() {
    return told([&] { builder_.none(); });
  }
  bool boolean(bool value) { return number(value); }
  bool number_integer(std::int64_t value) { return number(whole(value)); }
  bool number_unsigned(std::uint64_t value) { return number(value); }
  bool number_float(double value, const std::string&) { return number(value); }
  bool string(const std::string& value) {
    return told([&] { builder_.text(value); });
  }
  bool binary(const nlohmann::json::binary_t&) { return false; }  // not in JSON
  bool start_object(std::size_t) {
    return told([&] { builder_.begin_object(); });
  }
  bool key(const std::string& name) {
    return told([&] { builder_.key(name); });
  }
  bool end_object() {
    return told([&] { builder_.end_object(); });
  }
  bool start_array(std::size_t) {
    return told([&] { builder_.begin_array(); });
  }
  bool end_array() {
    return told([&] { builder_.end_array(); });
  }
  [[noreturn]] bool parse_error(std::size_t position, const std::string& token,
                                const nlohmann::json::exception& error) {
    if (error.id == number_overflow) refuse("the number " + token.substr(0, 40) + " is too large for any type");
    refuse_at(std::min(position - 1, size_));
  }

 private:
  bool number(const Number& value) {
    return told([&] { builder_.number(value); });
  }
  template <typename Told>
  static bool told(const Told& tell_builder) {
    tell_builder();
    return true;
  }

  Builder& builder_;
  std::size_t size_;
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
  thread_local dom::parser kept;
  std::optional<dom::parser> made;
  dom::parser& parser = text.size() > kept_parser ? made.emplace() : kept;
  dom::element root;
  Builder builder(limits);
  if (parser.parse(text.data(), text.size()).get(root) == simdjson::SUCCESS) {
    tell(root, builder);
    return builder.take();
  }
  const std::string_view begin = text.substr(0, text.find('\0'));  // which for nlohmann's reader is the end
  Patient patient(builder, begin.size());
  nlohmann::json::sax_parse(begin.begin(), begin.end(), &patient);
  if (begin.size() < text.size()) refuse_at(begin.size());
  return builder.take();
}

std::string json_quoted(std::string_view text) {
  return nlohmann::json(std::string(text)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace shardmill::serve
