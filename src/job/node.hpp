// A YAML document as a tree of values with their places; aliases are already followed.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "job/diagnostics.hpp"

namespace shardmill::job {

// A Location whose file name is shared, since a tree has many of them.
struct Place {
  std::shared_ptr<const std::string> file;
  int line = 0;
  int column = 0;

  Location location() const { return {file ? *file : std::string(), line, column}; }
};

struct Node {
  enum class Type { null, scalar, sequence, map };

  Type type = Type::null;
  std::string text;       // of a scalar
  bool reported = false;  // is known to be wrong; readers say nothing more about it
  bool quoted = false;    // a string because of its quotes, whatever it holds
  Place place;
  std::string key;  // in a map: this value's key
  Place key_place;
  std::vector<Node> items;  // of a sequence or, each with its key, of a map

  bool is_null() const { return type == Type::null; }
  bool is_scalar() const { return type == Type::scalar; }
  bool is_sequence() const { return type == Type::sequence; }
  bool is_map() const { return type == Type::map; }

  const Node* find(std::string_view wanted) const;
  Node* find(std::string_view wanted);

  // What to show for a problem with this value: a scalar's own place, else that of its key, since a block's first
  // character is a line or more below the key that a user looks for.
  Location location() const;
  // "a list", "a mapping", "nothing" or the quoted text.
  std::string description() const;
};

// Fills in what `node` lacks: maps key by key, anything else stays as it is. The keys of `node` keep their order and
// come first.
void merge_under(Node& node, const Node& defaults);

}  // namespace shardmill::job
