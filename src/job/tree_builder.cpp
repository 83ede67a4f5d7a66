#include "job/tree_builder.hpp"

#include <utility>

#include "job/load.hpp"
#include "job/text.hpp"

namespace shardmill::job {
namespace {

[[noreturn]] void fail(const YAML::Mark& mark, const std::string& message) {
  throw YAML::ParserException(mark, message);
}

void check_tag(const YAML::Mark& mark, const std::string& tag) {
  if (tag.empty() || tag == "?" || tag == "!" || tag == "tag:yaml.org,2002:str") return;
  fail(mark, "tags are not supported; leave out " + quote(tag));
}

}  // namespace

TreeBuilder::TreeBuilder(std::shared_ptr<const std::string> file, bool lines, Diagnostics& diagnostics)
    : file_(std::move(file)), lines_(lines), diagnostics_(diagnostics) {}

void TreeBuilder::OnDocumentStart(const YAML::Mark& mark) {
  if (has_root_) fail(mark, "a second YAML document begins here; a job is one document");
}

void TreeBuilder::OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) {
  Node node;
  node.place = place(mark);
  charge({1, 0}, mark);
  add(std::move(node), mark, anchor);
}

void TreeBuilder::OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) {
  const auto found = anchors_.find(anchor);
  if (found == anchors_.end()) fail(mark, "an alias inside the value that it stands for");
  charge(size_of(found->second), mark);
  add(found->second, mark, 0);
}

void TreeBuilder::OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                           const std::string& value) {
  check_tag(mark, tag);
  Node node;
  node.type = Node::Type::scalar;
  node.text = value;
  node.quoted = tag != "?";
  node.place = place(mark);
  charge({1, value.size()}, mark);
  add(std::move(node), mark, anchor);
}

void TreeBuilder::OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                                  YAML::EmitterStyle::value) {
  open(Node::Type::sequence, mark, tag, anchor);
}

void TreeBuilder::OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                             YAML::EmitterStyle::value) {
  open(Node::Type::map, mark, tag, anchor);
}

Place TreeBuilder::place(const YAML::Mark& mark) const {
  if (!lines_) return {file_, 0, 0};
  return {file_, mark.line + 1, mark.column + 1};
}

void TreeBuilder::open(Node::Type type, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
  check_tag(mark, tag);
  if (open_.size() >= static_cast<std::size_t>(max_job_depth)) {
    fail(mark, "nested more than " + std::to_string(max_job_depth) + " levels deep");
  }
  charge({1, 0}, mark);
  Open opened;
  opened.node.type = type;
  opened.node.place = place(mark);
  opened.mark = mark;
  opened.anchor = anchor;
  open_.push_back(std::move(opened));
}

void TreeBuilder::close() {
  Open closed = std::move(open_.back());
  open_.pop_back();
  if (closed.node.is_map()) report_repeated_keys(closed.node);
  add(std::move(closed.node), closed.mark, closed.anchor);
}

void TreeBuilder::add(Node node, const YAML::Mark& mark, YAML::anchor_t anchor) {
  if (anchor != 0) {
    charge(size_of(node), mark);
    anchors_[anchor] = node;
  }
  if (open_.empty()) {
    root_ = std::move(node);
    has_root_ = true;
    return;
  }
  Open& parent = open_.back();
  if (parent.node.is_map() && !parent.has_key) {
    if (!node.is_scalar()) fail(mark, "a key must be text");
    if (node.text == "<<" && !node.quoted) {
      fail(mark, "merge keys (<<) are not supported; repeat the keys, or put them into a profile");
    }
    parent.has_key = true;
    parent.key = std::move(node.text);
    parent.key_place = place(mark);
    return;
  }
  if (parent.has_key) {
    node.key = std::move(parent.key);
    node.key_place = parent.key_place;
    parent.has_key = false;
  }
  parent.node.items.push_back(std::move(node));
}

// Copies made for anchors and aliases count too: a few lines of them can stand for any number of values.
void TreeBuilder::charge(const Size& size, const YAML::Mark& mark) {
  total_.nodes += size.nodes;
  total_.bytes += size.bytes;
  if (total_.nodes > max_job_nodes || total_.bytes > 2 * max_job_bytes) {
    fail(mark, "more than " + std::to_string(max_job_nodes) + " values, or too much text, once aliases are followed");
  }
}

void TreeBuilder::report_repeated_keys(Node& map) {
  std::unordered_map<std::string, Place> seen;
  const auto repeated = [&](const Node& item) {
    const auto [first, is_new] = seen.emplace(item.key, item.key_place);
    if (is_new) return false;
    std::string message = "duplicate key " + quote(item.key);
    if (lines_) message += ", first given in line " + std::to_string(first->second.line);
    diagnostics_.add(item.key_place.location(), message);
    return true;
  };
  std::vector<Node> kept;
  kept.reserve(map.items.size());
  for (Node& item : map.items) {
    if (!repeated(item)) kept.push_back(std::move(item));
  }
  map.items = std::move(kept);
}

TreeBuilder::Size TreeBuilder::size_of(const Node& node) {
  Size size{1, node.text.size() + node.key.size()};
  for (const Node& item : node.items) {
    const Size inner = size_of(item);
    size.nodes += inner.nodes;
    size.bytes += inner.bytes;
  }
  return size;
}

}  // namespace shardmill::job
