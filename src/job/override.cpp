#include "job/override.hpp"

#include <charconv>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include "job/load.hpp"
#include "job/parse.hpp"
#include "job/text.hpp"
#include "job/utf8.hpp"

namespace shardmill::job {
namespace {

using Step = std::variant<std::string, std::size_t>;  // a key of a mapping, or an index of a list

// a.b[0].c -> a, b, 0, c
std::optional<std::vector<Step>> parse_path(std::string_view path) {
  std::vector<Step> steps;
  bool key_expected = true;
  while (!path.empty() || key_expected) {
    if (key_expected) {
      const std::size_t end = std::min(path.find_first_of(".[]"), path.size());
      if (end == 0) return std::nullopt;
      steps.emplace_back(std::string(path.substr(0, end)));
      path.remove_prefix(end);
      key_expected = false;
    } else if (path[0] == '.') {
      path.remove_prefix(1);
      key_expected = true;
    } else if (path[0] == '[') {
      std::size_t index = 0;
      const char* begin = path.data() + 1;
      const auto [end, error] = std::from_chars(begin, path.data() + path.size(), index);
      if (error != std::errc() || end == path.data() + path.size() || *end != ']') return std::nullopt;
      steps.emplace_back(index);
      path.remove_prefix(static_cast<std::size_t>(end - path.data()) + 1);
    } else {
      return std::nullopt;
    }
  }
  if (steps.size() > static_cast<std::size_t>(max_job_depth)) return std::nullopt;
  return steps;
}

class Override {
 public:
  Override(Place place, Diagnostics& diagnostics) : place_(std::move(place)), diagnostics_(diagnostics) {}

  void put(Node& root, const std::vector<Step>& steps, Node value) {
    Node* node = &root;
    std::string path;
    for (const Step& step : steps) {
      node = std::holds_alternative<std::string>(step) ? into_map(*node, path, std::get<std::string>(step))
                                                       : into_list(*node, path, std::get<std::size_t>(step));
      if (node == nullptr) return;
    }
    value.key = node->key;
    value.key_place = place_;
    *node = std::move(value);
  }
  void fail(const std::string& message) { diagnostics_.add(place_.location(), message); }

 private:
  Node* into_map(Node& node, std::string& path, const std::string& key) {
    if (node.is_null()) {
      node.type = Node::Type::map;
      node.place = place_;
    }
    if (!node.is_map()) {
      fail(path + " is " + node.description() + ", and has no key " + quote(key));
      return nullptr;
    }
    path += (path.empty() ? "" : ".") + key;
    if (Node* found = node.find(key)) return found;
    Node made;
    made.key = key;
    made.key_place = place_;
    made.place = place_;
    return &node.items.emplace_back(std::move(made));
  }

  Node* into_list(Node& node, std::string& path, std::size_t index) {
    if (!node.is_sequence()) {
      fail(path + " is " + node.description() + ", and has no items to choose from");
      return nullptr;
    }
    if (index >= node.items.size()) {
      fail(path + " has no item " + std::to_string(index) + "; it has " + std::to_string(node.items.size()) +
           ", counted from 0");
      return nullptr;
    }
    path += "[" + std::to_string(index) + "]";
    return &node.items[index];
  }

  Place place_;
  Diagnostics& diagnostics_;
};

std::string shown(const std::string& text) {
  const std::string quoted = quote(text);  // on one line and not too long
  return "--set " + quoted.substr(1, quoted.size() - 2);
}

void apply_override(Node& root, const std::string& text, Diagnostics& diagnostics) {
  Place place;
  place.file = std::make_shared<const std::string>(shown(text));
  Override into(place, diagnostics);
  if (find_bad_text(text)) return into.fail("is not text");
  const std::size_t equals = text.find('=');
  const auto steps = parse_path(std::string_view(text).substr(0, equals));
  if (equals == std::string::npos || !steps) return into.fail("an override reads key=value or section.key=value");
  auto value = parse_yaml(std::string_view(text).substr(equals + 1), *place.file, diagnostics, false);
  if (value) into.put(root, *steps, std::move(*value));
}

}  // namespace

void apply_overrides(Node& root, const std::vector<std::string>& overrides, Diagnostics& diagnostics) {
  for (const std::string& text : overrides) apply_override(root, text, diagnostics);
}

void put_value(Node& root, const std::string& key, Node value, const Place& place, Diagnostics& diagnostics) {
  Override into(place, diagnostics);
  const auto steps = parse_path(key);
  if (!steps) return into.fail(quote(key) + " is no key; one reads section.key or section.list[0].key");
  into.put(root, *steps, std::move(value));
}

}  // namespace shardmill::job
