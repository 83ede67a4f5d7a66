#include "job/node.hpp"

#include <cstddef>
#include <unordered_map>

#include "job/text.hpp"

namespace shardmill::job {

const Node* Node::find(std::string_view wanted) const {
  for (const Node& item : items) {
    if (item.key == wanted) return &item;
  }
  return nullptr;
}

Node* Node::find(std::string_view wanted) { return const_cast<Node*>(static_cast<const Node*>(this)->find(wanted)); }

Location Node::location() const {
  const bool has_key = key_place.file != nullptr;
  return has_key && !is_scalar() ? key_place.location() : place.location();
}

std::string Node::description() const {
  switch (type) {
    case Type::null:
      return "nothing";
    case Type::sequence:
      return "a list";
    case Type::map:
      return "a mapping";
    case Type::scalar:
      break;
  }
  return quoted ? "the string " + quote(text) : quote(text);
}

void merge_under(Node& node, const Node& defaults) {
  if (!defaults.is_map()) return;
  if (node.is_null()) node.type = Node::Type::map;  // `resources:` with all its keys commented out
  if (!node.is_map()) return;
  std::unordered_map<std::string, std::size_t> own;
  for (std::size_t i = 0; i < node.items.size(); ++i) own.emplace(node.items[i].key, i);
  for (const Node& item : defaults.items) {
    if (const auto at = own.find(item.key); at != own.end()) {
      merge_under(node.items[at->second], item);
    } else {
      node.items.push_back(item);
    }
  }
}

}  // namespace shardmill::job
