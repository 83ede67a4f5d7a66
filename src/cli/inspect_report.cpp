#include "cli/inspect_report.hpp"

#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "report/summary.hpp"

namespace shardmill::cli {
namespace {

using nlohmann::ordered_json;
using report::bytes_text;
using report::with_commas;
using Entry = store::CheckpointFile::Entry;

std::int64_t elements(const Entry& entry) { return static_cast<std::int64_t>(entry.size / size_of(entry.dtype)); }

std::string shape_text(const std::vector<std::int64_t>& shape) {
  if (shape.empty()) return "scalar";
  std::string text;
  for (const std::int64_t extent : shape) text += (text.empty() ? "" : " x ") + std::to_string(extent);
  return text;
}

struct Total {
  std::string group;  // "model", "optimizer/exp_avg"
  std::int64_t tensors = 0;
  std::int64_t elements = 0;
  std::uint64_t bytes = 0;
};

std::string group_of(const std::string& name) {
  std::size_t end = name.find('/');
  if (name.starts_with("optimizer/")) end = name.find('/', end + 1);
  return end == std::string::npos ? name : name.substr(0, end);
}

std::vector<Total> totals(const std::vector<Entry>& entries) {
  std::vector<Total> all;
  for (const Entry& entry : entries) {
    const std::string group = group_of(entry.name);
    auto found = std::find_if(all.begin(), all.end(), [&](const Total& total) { return total.group == group; });
    if (found == all.end()) found = all.insert(all.end(), {group, 0, 0, 0});
    ++found->tensors;
    found->elements += elements(entry);
    found->bytes += entry.size;
  }
  return all;
}

// Null if the text is no JSON.
ordered_json meta_of(const store::CheckpointFile& file) {
  ordered_json meta = ordered_json::parse(file.meta(), nullptr, false);
  return meta.is_discarded() ? ordered_json() : meta;
}

// Two columns: names like "metrics.loss" and short values. What is long or a list is for --json.
void add_rows(std::string& table, const std::string& prefix, const ordered_json& object) {
  for (const auto& [key, value] : object.items()) {
    if (value.is_object()) {
      add_rows(table, prefix + key + ".", value);
      continue;
    }
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    if (value.is_array() || text.size() > 80 || text.find('\n') != std::string::npos) continue;
    std::string row = "  " + prefix + key;
    row.resize(std::max<std::size_t>(row.size() + 1, 28), ' ');
    table += row + text + "\n";
  }
}

}  // namespace

std::string checkpoint_table(const store::CheckpointFile& file) {
  const std::vector<Entry>& entries = file.tensors();
  std::size_t widest = 24;
  std::size_t widest_shape = 12;
  for (const Entry& entry : entries) {
    widest = std::max(widest, entry.name.size());
    widest_shape = std::max(widest_shape, shape_text(entry.shape).size());
  }
  auto row = [&](std::string name, const std::string& dtype, std::string shape, const std::string& count,
                 const std::string& bytes) {
    name.resize(widest, ' ');
    shape.resize(widest_shape, ' ');
    char tail[96];
    std::snprintf(tail, sizeof tail, " %14s %10s\n", count.c_str(), bytes.c_str());
    std::string text = "  " + name + "  " + dtype;
    text.resize(widest + 14, ' ');
    return text + shape + tail;
  };
  std::string table = file.path().string() + ": all of its " + with_commas(static_cast<std::int64_t>(entries.size())) +
                      " tensors check out\n\n" + row("tensor", "dtype", "shape", "elements", "bytes");
  for (const Entry& entry : entries) {
    table += row(entry.name, std::string(name_of(entry.dtype)), shape_text(entry.shape), with_commas(elements(entry)),
                 bytes_text(static_cast<double>(entry.size)));
  }
  table += "\n";
  for (const Total& total : totals(entries)) {
    table += row(total.group, "", with_commas(total.tensors) + " tensors", with_commas(total.elements),
                 bytes_text(static_cast<double>(total.bytes)));
  }
  table += "\n";
  add_rows(table, "", meta_of(file));
  add_rows(table, "",
           {{"file", bytes_text(static_cast<double>(file.info().bytes))}, {"checksum", file.info().checksum}});
  return table;
}

std::string checkpoint_json(const store::CheckpointFile& file) {
  ordered_json json;
  json["path"] = file.path().string();
  json["bytes"] = file.info().bytes;
  json["checksum"] = file.info().checksum;
  json["meta"] = meta_of(file);
  json["totals"] = ordered_json::object();
  for (const Total& total : totals(file.tensors())) {
    json["totals"][total.group] = {{"tensors", total.tensors}, {"elements", total.elements}, {"bytes", total.bytes}};
  }
  json["tensors"] = ordered_json::array();
  for (const Entry& entry : file.tensors()) {
    json["tensors"].push_back({{"name", entry.name},
                               {"dtype", name_of(entry.dtype)},
                               {"shape", entry.shape},
                               {"elements", elements(entry)},
                               {"bytes", entry.size}});
  }
  // A path may hold anything: invalid UTF-8 is replaced, never thrown about.
  return json.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace shardmill::cli
