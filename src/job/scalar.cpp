#include "job/scalar.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string_view>
#include <system_error>
#include <utility>

#include "job/utf8.hpp"

namespace shardmill::job {
namespace {

constexpr double longest_duration = 365.0 * 24 * 3600;

Problem must_be(const std::string& what, const Node& node) {
  if (node.is_null()) return {"has no value; it must be " + what};
  return {"must be " + what + ", not " + node.description()};
}

// from_chars knows no plus sign.
std::string_view without_plus(std::string_view text) {
  const bool plus = text.size() > 1 && text[0] == '+' && text[1] != '-';
  return plus ? text.substr(1) : text;
}

bool is_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

struct Prefix {
  double value;
  std::string_view rest;
};

// The decimal number at the front of `text`; none for inf and nan, which from_chars would take.
std::variant<Prefix, std::errc> number_prefix(std::string_view text) {
  text = without_plus(text);
  const std::string_view unsigned_part = !text.empty() && text[0] == '-' ? text.substr(1) : text;
  if (unsigned_part.empty() || !(is_digits(unsigned_part.substr(0, 1)) || unsigned_part[0] == '.')) {
    return std::errc::invalid_argument;
  }
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return error;
  return Prefix{value, text.substr(static_cast<std::size_t>(end - text.data()))};
}

bool is_not_finite_word(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  if (!text.empty() && text[0] == '.') text.remove_prefix(1);
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return lower == "inf" || lower == "nan" || lower == "infinity";
}

}  // namespace

Parsed<std::string> parse_text(const Node& node) {
  if (node.reported || !node.is_scalar()) return must_be("text", node);
  if (node.text.empty()) return Problem{"must not be empty"};
  const bool one_line = node.text.find_first_of("\t\r\n") == std::string::npos;
  if (!one_line || find_bad_text(node.text)) return Problem{"must not hold line ends, tabs or control characters"};
  return node.text;
}

Parsed<bool> parse_boolean(const Node& node) {
  if (node.is_scalar() && !node.quoted) {
    if (node.text == "true" || node.text == "True" || node.text == "TRUE") return true;
    if (node.text == "false" || node.text == "False" || node.text == "FALSE") return false;
  }
  return must_be("true or false", node);
}

Parsed<std::int64_t> parse_integer(const Node& node) {
  const Problem problem = must_be("a whole number", node);
  if (!node.is_scalar()) return problem;
  if (node.quoted) {
    const bool number = is_digits(node.text);
    return number ? Problem{problem.text + "; write it without the quotes"} : problem;
  }
  const std::string_view text = without_plus(node.text);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range)
    return Problem{"is too large for a 64-bit number: " + node.description()};
  if (error != std::errc() || end != text.data() + text.size()) return problem;
  return value;
}

Parsed<double> parse_number(const Node& node) {
  const Problem problem = must_be("a number", node);
  if (!node.is_scalar() || node.quoted) return problem;
  if (is_not_finite_word(node.text)) return must_be("a finite number", node);
  const auto parsed = number_prefix(node.text);
  if (const auto* number = std::get_if<Prefix>(&parsed)) {
    if (!number->rest.empty()) return problem;
    return number->value;
  }
  if (std::get<std::errc>(parsed) == std::errc::result_out_of_range) {
    return Problem{"is outside the range of a 64-bit floating-point number: " + node.description()};
  }
  return problem;
}

Parsed<double> parse_duration(const Node& node) {
  static constexpr std::array<std::pair<std::string_view, double>, 4> units{
      {{"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}}};
  const Problem problem = must_be("a time such as 500ms, 10s, 5m or 2h (without a unit: seconds)", node);
  if (!node.is_scalar()) return problem;
  const auto parsed = number_prefix(node.text);
  const auto* number = std::get_if<Prefix>(&parsed);
  if (number == nullptr) return problem;
  double seconds = number->value;
  if (number->rest.empty()) {
    if (node.quoted) return problem;
  } else {
    const auto unit = std::find_if(units.begin(), units.end(), [&](const auto& u) { return u.first == number->rest; });
    if (unit == units.end()) return problem;
    seconds *= unit->second;
  }
  if (!(seconds > 0 && seconds <= longest_duration)) {
    return Problem{"must be more than 0 and at most 365 days, not " + node.description()};
  }
  return seconds;
}

std::string to_text(double value) {
  std::array<char, 40> buffer;
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return std::string(buffer.data(), end);
}

}  // namespace shardmill::job
