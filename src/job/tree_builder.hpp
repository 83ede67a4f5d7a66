// Builds a Node tree from the parser's events, so that depth and size are checked while reading and not afterwards.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>

#include "job/diagnostics.hpp"
#include "job/node.hpp"

namespace shardmill::job {

// Throws YAML::ParserException for what makes the document unusable; adds repeated keys to the diagnostics.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::shared_ptr<const std::string> file, bool lines, Diagnostics& diagnostics);

  bool has_root() const { return has_root_; }
  Node take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override;
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override;
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override;
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override;
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    Node node;
    YAML::Mark mark;
    YAML::anchor_t anchor = 0;
    bool has_key = false;  // in a map: the key has been read, its value comes next
    std::string key;
    Place key_place;
  };
  struct Size {
    std::size_t nodes = 0;
    std::size_t bytes = 0;
  };

  Place place(const YAML::Mark& mark) const;
  void open(Node::Type type, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor);
  void close();
  void add(Node node, const YAML::Mark& mark, YAML::anchor_t anchor);
  void charge(const Size& size, const YAML::Mark& mark);
  void report_repeated_keys(Node& map);
  static Size size_of(const Node& node);

  std::shared_ptr<const std::string> file_;
  bool lines_;
  Diagnostics& diagnostics_;
  std::vector<Open> open_;
  std::unordered_map<YAML::anchor_t, Node> anchors_;
  Size total_;
  Node root_;
  bool has_root_ = false;
};

}  // namespace shardmill::job
