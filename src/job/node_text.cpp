#include "job/node_text.hpp"

#include <algorithm>
#include <string_view>

#include "job/resolved_parts.hpp"

namespace shardmill::job {
namespace {

// What YAML takes for itself and not for punctuation, wherever it stands. Numbers and words are made of these, so that
// quotes change no value's meaning.
bool is_plain(std::string_view text) {
  const auto inside = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '/' || c == '-' || c == '+' || c == '%';
  };
  return !text.empty() && text[0] != '%' && text != "-" && !text.starts_with("---") && text != "..." &&
         std::all_of(text.begin(), text.end(), inside);
}

std::string key_text(const std::string& key) { return is_plain(key) ? key : quoted(key, true); }

}  // namespace

std::string flow_text(const Node& node) {
  std::string out;
  switch (node.type) {
    case Node::Type::null:
      return "~";
    case Node::Type::scalar:
      return !node.quoted && is_plain(node.text) ? node.text : quoted(node.text);
    case Node::Type::sequence:
      for (const Node& item : node.items) out += (out.empty() ? "" : ", ") + flow_text(item);
      return "[" + out + "]";
    case Node::Type::map:
      for (const Node& item : node.items)
        out += (out.empty() ? "" : ", ") + key_text(item.key) + ": " + flow_text(item);
      return "{" + out + "}";
  }
  return out;
}

std::string block_text(const Node& map, std::size_t indent) {
  std::string out;
  for (const Node& item : map.items) {
    out += std::string(indent, ' ') + key_text(item.key) + ":";
    if (item.is_map() && !item.items.empty())
      out += "\n" + block_text(item, indent + 2);
    else
      out += " " + flow_text(item) + "\n";
  }
  return out;
}

}  // namespace shardmill::job
