#include "job/map_reader.hpp"

#include <algorithm>
#include <limits>

#include "job/schema.hpp"

namespace shardmill::job {
namespace {

// Looking for what was meant takes time, which a file with thousands of unknown keys is not worth.
constexpr std::size_t max_helped = 100;

template <typename T>
bool take(Context& context, const Node& node, const Path& path, Parsed<T> parsed, T& into) {
  if (const auto* problem = std::get_if<Problem>(&parsed)) {
    report(context, node, path, problem->text);
    return false;
  }
  into = std::move(std::get<T>(parsed));
  return true;
}

// Sections that have a key of this name, for a key that stands in the wrong one.
std::vector<std::string> sections_with(const std::string& key, const std::string& here) {
  static const std::set<std::string> known = known_keys();
  std::vector<std::string> sections;
  for (const std::string& path : known) {
    const std::size_t dot = path.rfind('.');
    if (dot == std::string::npos || path.substr(dot + 1) != key) continue;
    const std::string section = path.substr(0, dot);
    if (section != here && section.find_first_of("[*") == std::string::npos) sections.push_back(quote(section));
  }
  return sections;
}

std::string joined(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : path + "." + std::string(key);
}

}  // namespace

Path Path::key(std::string_view name) const { return {joined(exact, name), joined(pattern, name)}; }

Path Path::entry(std::string_view name) const { return {joined(exact, name), joined(pattern, "*")}; }

Path Path::item(std::size_t index) const { return {exact + "[" + std::to_string(index) + "]", pattern + "[]"}; }

void report(Context& context, const Node& node, const Path& path, const std::string& sentence_end) {
  if (!node.reported) context.diagnostics.add(node.location(), path.exact + " " + sentence_end);
}

bool read_value(Context& context, const Node& node, const Path& path, std::string& into) {
  return take(context, node, path, parse_text(node), into);
}

bool read_value(Context& context, const Node& node, const Path& path, bool& into) {
  return take(context, node, path, parse_boolean(node), into);
}

bool read_value(Context& context, const Node& node, const Path& path, double& into) {
  return take(context, node, path, parse_number(node), into);
}

bool read_value(Context& context, const Node& node, const Path& path, DType& into) {
  std::string word;
  if (!read_word(context, node, path, dtype_names(), word)) return false;
  into = *dtype_from_name(word);
  return true;
}

bool read_value(Context& context, const Node& node, const Path& path, std::int64_t& into, Range range) {
  std::int64_t value = 0;
  if (!take(context, node, path, parse_integer(node), value)) return false;
  if (value < range.first || value > range.last) {
    const std::string bounds = range.last == std::numeric_limits<std::int64_t>::max()
                                   ? "at least " + std::to_string(range.first)
                                   : "from " + std::to_string(range.first) + " to " + std::to_string(range.last);
    report(context, node, path, "must be " + bounds + ", not " + std::to_string(value));
    return false;
  }
  into = value;
  return true;
}

bool read_value(Context& context, const Node& node, const Path& path, int& into, Range range) {
  std::int64_t value = 0;
  if (!read_value(context, node, path, value, range)) return false;
  into = static_cast<int>(value);
  return true;
}

bool read_duration(Context& context, const Node& node, const Path& path, double& into) {
  return take(context, node, path, parse_duration(node), into);
}

bool read_integer_or_auto(Context& context, const Node& node, const Path& path, std::optional<std::int64_t>& into,
                          Range range) {
  if (node.is_scalar() && node.text == "auto") {
    into.reset();
    return true;
  }
  const auto parsed = parse_integer(node);
  const std::string expected = "must be a whole number";
  if (const auto* problem = std::get_if<Problem>(&parsed); problem != nullptr && problem->text.starts_with(expected)) {
    report(context, node, path, expected + " or auto" + problem->text.substr(expected.size()));
    return false;
  }
  return read_value(context, node, path, into, range);
}

bool expect_list(Context& context, const Node& node, const Path& path) {
  if (node.is_sequence()) return true;
  report(context, node, path,
         node.is_null() ? "has no value; it must be a list" : "must be a list, not " + node.description());
  return false;
}

bool read_word(Context& context, const Node& node, const Path& path, const std::vector<std::string>& words,
               std::string& into) {
  if (!node.is_scalar()) {
    report(context, node, path, "must be one of " + join(words) + ", not " + node.description());
    return false;
  }
  if (std::find(words.begin(), words.end(), node.text) == words.end()) {
    report(context, node, path, "cannot be " + quote(node.text) + suggest(node.text, words, "it is one of"));
    return false;
  }
  into = node.text;
  return true;
}

MapReader::MapReader(const Node& node, Path path, Context& context)
    : node_(node), path_(std::move(path)), context_(context), is_map_(node.is_map()) {
  if (!node.is_map() && !node.is_null()) report(context, node, path_, "must be a mapping, not " + node.description());
}

const Node* MapReader::find(std::string_view key, Need need) {
  asked_.emplace_back(key);
  if (context_.known != nullptr) context_.known->insert(path(key).pattern);
  const Node* value = is_map_ ? node_.find(key) : nullptr;
  if (value == nullptr && need == Need::required) missing_.emplace_back(key);
  return value;
}

bool MapReader::read_time(std::string_view key, double& seconds) {
  const Node* value = find(key);
  return value != nullptr && read_duration(context_, *value, path(key), seconds);
}

void MapReader::finish() {
  if (!is_map_ && !node_.is_null()) return;
  std::size_t unknown = 0;
  for (const Node& item : node_.items) {
    if (std::find(asked_.begin(), asked_.end(), item.key) != asked_.end()) continue;
    std::string message = "unknown key " + quote(item.key);
    if (++unknown > max_helped) {
      context_.diagnostics.add(item.key_place.location(), message);
      continue;
    }
    const auto meant = nearest(item.key, asked_);
    const std::vector<std::string> elsewhere =
        meant ? std::vector<std::string>() : sections_with(item.key, path_.pattern);
    if (!elsewhere.empty()) {
      message += " here; it belongs into " + join(elsewhere, " or ");
    } else {
      message += suggest(item.key, asked_, "known keys");
      if (meant) std::erase(missing_, *meant);  // one slip, one sentence
    }
    context_.diagnostics.add(item.key_place.location(), message);
  }
  const std::string in = path_.exact.empty() ? "" : " in " + quote(path_.exact);
  for (const std::string& key : missing_) {
    context_.diagnostics.add(node_.location(), "missing key " + quote(key) + in);
  }
}

}  // namespace shardmill::job
