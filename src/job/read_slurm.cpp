// The section that `shardmill submit` makes the head of a batch script of.
#include <algorithm>
#include <string_view>

#include "job/sections.hpp"

namespace shardmill::job {
namespace {

constexpr std::string_view plain_characters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.,:/@+=-";

// A word that means itself to a shell and to sbatch.
void read_name(Context& context, const Node& node, const Path& path, std::string& into) {
  std::string text;
  if (!read_value(context, node, path, text)) return;
  if (text.empty() || text.find_first_not_of(plain_characters) != std::string::npos) {
    report(context, node, path,
           "must be one word of letters, digits and " + quote("_.,:/@+=-") + ", not " + quote(text));
    return;
  }
  into = text;
}

void read_name(MapReader& reader, std::string_view key, std::string& into) {
  if (const Node* value = reader.find(key)) read_name(reader.context(), *value, reader.path(key), into);
}

template <typename ReadItem>
void read_list(MapReader& reader, std::string_view key, std::vector<std::string>& into, ReadItem read_item) {
  const Node* list = reader.find(key);
  const Path path = reader.path(key);
  if (list == nullptr || !expect_list(reader.context(), *list, path)) return;
  for (std::size_t i = 0; i < list->items.size(); ++i) {
    std::string text;
    read_item(reader.context(), list->items[i], path.item(i), text);
    if (!text.empty()) into.push_back(text);
  }
}

void read_line(Context& context, const Node& node, const Path& path, std::string& into) {
  if (!read_value(context, node, path, into)) return;
  if (into.find('\n') == std::string::npos) return;
  report(context, node, path, "must be one line");
  into.clear();
}

void read_option(Context& context, const Node& node, const Path& path, std::string& into) {
  read_line(context, node, path, into);
  if (into.empty() || into.starts_with('-')) return;
  report(context, node, path, "must be an option of sbatch, such as '--constraint=a100', not " + quote(into));
  into.clear();
}

}  // namespace

void read_slurm(const Node& node, const Path& path, Context& context, Slurm& slurm) {
  MapReader reader(node, path, context);
  read_name(reader, "partition", slurm.partition);
  read_name(reader, "account", slurm.account);
  read_name(reader, "qos", slurm.qos);
  reader.read("nodes", slurm.nodes, Range{1, 100'000});
  reader.read_or_auto("ranks_per_node", slurm.ranks_per_node, Range{1, 4096});
  reader.read("gpus_per_node", slurm.gpus_per_node, Range{0, 1024});
  if (double seconds = 0; reader.read_time("time", seconds)) slurm.time = seconds;
  reader.read_time("stop_before", slurm.stop_before);
  if (slurm.time && slurm.stop_before >= *slurm.time) {
    report(context, *reader.find("time"), path.key("time"),
           "must be longer than stop_before (" + std::to_string(static_cast<std::int64_t>(slurm.stop_before)) +
               " s), or the run stops as soon as it has begun");
  }
  reader.read("max_requeues", slurm.max_requeues, Range{0, 100'000});
  const auto word = [](Context& c, const Node& n, const Path& p, std::string& into) { read_name(c, n, p, into); };
  read_list(reader, "modules", slurm.modules, word);
  read_list(reader, "setup", slurm.setup, read_line);
  read_list(reader, "extra", slurm.extra, read_option);
  reader.finish();
}

}  // namespace shardmill::job
