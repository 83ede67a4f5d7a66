// One YAML scalar -> one typed value, strictly: a quoted number is a string, 64.0 is no whole number.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "job/node.hpp"

namespace shardmill::job {

// The end of a sentence that begins with the key: "must be a whole number, not '64.5'".
struct Problem {
  std::string text;
};

template <typename T>
using Parsed = std::variant<T, Problem>;

Parsed<std::string> parse_text(const Node& node);  // any scalar that is not empty and fits on one line
Parsed<bool> parse_boolean(const Node& node);
Parsed<std::int64_t> parse_integer(const Node& node);
Parsed<double> parse_number(const Node& node);    // finite
Parsed<double> parse_duration(const Node& node);  // seconds, or with a unit: 500ms, 10s, 5m, 2h; more than 0

// 0.0625 -> "0.0625": the shortest text that reads back as the same number.
std::string to_text(double value);

}  // namespace shardmill::job
