// Reads one mapping of the job file: each key with its type and range, and at the end whatever is left over.
//
//   MapReader reader(node, "resources", context);
//   reader.read("threads_per_rank", resources.threads_per_rank, Range{1, 1024});
//   reader.finish();
//
// Nothing stops at the first problem. A key that is absent or wrong leaves its target as it is.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "job/dtype.hpp"
#include "job/names.hpp"
#include "job/node.hpp"
#include "job/scalar.hpp"
#include "job/text.hpp"

namespace shardmill::job {

struct Context {
  Diagnostics& diagnostics;
  std::set<std::string>* known = nullptr;  // if given: collects the pattern of every key asked for
};

// Where a value stands: "outputs.label", and for all values of its kind: "outputs.*".
struct Path {
  std::string exact;
  std::string pattern;

  Path key(std::string_view name) const;    // a key that the job file's format fixes
  Path entry(std::string_view name) const;  // a key that the user chooses
  Path item(std::size_t index) const;
};

struct Range {
  std::int64_t first;
  std::int64_t last;
};
constexpr std::int64_t max_int64 = std::numeric_limits<std::int64_t>::max();  // for ranges without an upper end

enum class Need { optional, required };

// Each reads one value, or reports it and returns false.
bool read_value(Context& context, const Node& node, const Path& path, std::string& into);
bool read_value(Context& context, const Node& node, const Path& path, bool& into);
bool read_value(Context& context, const Node& node, const Path& path, double& into);
bool read_value(Context& context, const Node& node, const Path& path, DType& into);
bool read_value(Context& context, const Node& node, const Path& path, std::int64_t& into, Range range);
bool read_value(Context& context, const Node& node, const Path& path, int& into, Range range);
bool read_duration(Context& context, const Node& node, const Path& path, double& into);
// A number, or the word "auto" for none.
bool read_integer_or_auto(Context& context, const Node& node, const Path& path, std::optional<std::int64_t>& into,
                          Range range);
// Reports a value that is no list.
bool expect_list(Context& context, const Node& node, const Path& path);
void report(Context& context, const Node& node, const Path& path, const std::string& sentence_end);
bool read_word(Context& context, const Node& node, const Path& path, const std::vector<std::string>& words,
               std::string& into);

template <typename T, typename... Args>
bool read_value(Context& context, const Node& node, const Path& path, std::optional<T>& into, Args... args) {
  T value{};
  if (!read_value(context, node, path, value, args...)) return false;
  into = std::move(value);
  return true;
}

template <typename E>
requires requires { Names<E>::all; }
bool read_value(Context& context, const Node& node, const Path& path, E& into) {
  std::string word;
  if (!read_word(context, node, path, all_names<E>(), word)) return false;
  for (const auto& [name, value] : Names<E>::all) {
    if (name == word) into = value;
  }
  return true;
}

class MapReader {
 public:
  // A null node is an empty mapping; anything else that is no mapping is reported once.
  MapReader(const Node& node, Path path, Context& context);

  // The value of a key, to be read by other means; null if it is absent (finish() reports it if required).
  const Node* find(std::string_view key, Need need = Need::optional);
  bool has(std::string_view key) const { return is_map_ && node_.find(key) != nullptr; }
  Path path(std::string_view key) const { return path_.key(key); }
  const Path& path() const { return path_; }
  Context& context() { return context_; }
  Location location() const { return node_.location(); }

  template <typename T, typename... Args>
  bool read(std::string_view key, T& into, Args... args) {
    const Node* value = find(key);
    return value != nullptr && read_value(context_, *value, path(key), into, args...);
  }
  template <typename T, typename... Args>
  bool require(std::string_view key, T& into, Args... args) {
    const Node* value = find(key, Need::required);
    return value != nullptr && read_value(context_, *value, path(key), into, args...);
  }
  bool read_time(std::string_view key, double& seconds);
  template <typename T>
  bool read_or_auto(std::string_view key, std::optional<T>& into, Range range) {
    const Node* value = find(key);
    std::optional<std::int64_t> number;
    if (value == nullptr || !read_integer_or_auto(context_, *value, path(key), number, range)) return false;
    into.reset();
    if (number) into = static_cast<T>(*number);
    return true;
  }

  // Reports keys that nobody asked for, and required ones that are absent.
  void finish();

 private:
  const Node& node_;
  Path path_;
  Context& context_;
  bool is_map_;
  std::vector<std::string> asked_;
  std::vector<std::string> missing_;
};

}  // namespace shardmill::job
