#include "sweep/telling.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include <nlohmann/json.hpp>

#include "job/names.hpp"
#include "job/scalar.hpp"
#include "store/checkpoint_folder.hpp"
#include "sweep/places.hpp"
#include "train/run_places.hpp"

namespace shardmill::sweep {
namespace {

constexpr std::size_t most_lines = 20;

std::string_view name_of(TrialState state) {
  switch (state) {
    case TrialState::waiting:
      return "waiting";
    case TrialState::begun:
      return "begun";
    case TrialState::done:
      return "done";
    case TrialState::failed:
      return "failed";
  }
  return "?";
}

std::filesystem::path checkpoint_of(const store::RunFolder& run, std::int64_t number) {
  return train::checkpoints_of({trial_folder(run, number)}) / store::best_checkpoint;
}

// Of all trials that have one, in the order in which they come up.
std::vector<std::string> metric_names(const Table& table) {
  std::vector<std::string> names;
  for (const TrialRow& row : table.rows) {
    if (!row.result) continue;
    for (const auto& [name, value] : row.result->metrics) {
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  return names;
}

std::optional<double> metric_of(const TrialRow& row, const std::string& wanted) {
  if (!row.result) return std::nullopt;
  for (const auto& [name, value] : row.result->metrics) {
    if (name == wanted) return value;
  }
  return std::nullopt;
}

// "training.optimizer.learning_rate" -> "learning_rate", unless another key ends so too.
std::vector<std::string> short_keys(const std::vector<std::string>& keys) {
  const auto last = [](const std::string& key) { return key.substr(key.rfind('.') + 1); };
  std::vector<std::string> names;
  for (const std::string& key : keys) {
    const auto alike =
        std::count_if(keys.begin(), keys.end(), [&](const auto& other) { return last(other) == last(key); });
    names.push_back(alike == 1 ? last(key) : key);
  }
  return names;
}

// Columns as wide as what is in them, all to the right but the first.
std::string columns(const std::vector<std::vector<std::string>>& lines) {
  std::vector<std::size_t> widths(lines.front().size());
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string text;
  for (const auto& line : lines) {
    std::string out = " ";
    for (std::size_t i = 0; i < line.size(); ++i)
      out += " " + std::string(widths[i] - line[i].size() + 1, ' ') + line[i];
    text += out.substr(0, out.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

// Those with a value by it, then the others by their number.
std::vector<const TrialRow*> by_value(const job::Sweep& sweep, const Table& table) {
  std::vector<const TrialRow*> rows;
  for (const TrialRow& row : table.rows) rows.push_back(&row);
  const double sign = job::higher_is_better(sweep.objective) ? 1 : -1;
  std::stable_sort(rows.begin(), rows.end(), [&](const TrialRow* a, const TrialRow* b) {
    const auto of_a = a->value(sweep);
    const auto of_b = b->value(sweep);
    if (of_a.has_value() != of_b.has_value()) return of_a.has_value();
    return of_a && sign * *of_a > sign * *of_b;
  });
  return rows;
}

std::string short_text(std::optional<double> value) { return value ? report::number_text("%.4f", *value) : ""; }

std::string state_text(const TrialRow& row) {
  if (row.state == TrialState::begun) return report::number_text("%.0f %%", row.progress * 100);
  if (row.state == TrialState::done && !row.result) return "no result";
  return std::string(name_of(row.state));
}

// As RFC 4180 has it.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string csv_line(const std::vector<std::string>& fields) {
  std::string line;
  for (const std::string& field : fields) line += (&field == fields.data() ? "" : ",") + csv_field(field);
  return line + "\n";
}

}  // namespace

std::string to_table(const job::Job& job, const store::RunFolder& run, const Table& table) {
  const std::string objective(job::name_of(job.sweep.objective));
  std::vector<std::vector<std::string>> lines{{"trial", "state", objective}};
  const std::vector<std::string> keys = short_keys(job.sweep.keys);
  lines.front().insert(lines.front().end(), keys.begin(), keys.end());
  lines.front().insert(lines.front().end(), {"steps", "seconds", "attempts"});
  const std::vector<const TrialRow*> rows = by_value(job.sweep, table);
  for (std::size_t i = 0; i < std::min(rows.size(), most_lines); ++i) {
    const TrialRow& row = *rows[i];
    auto& line = lines.emplace_back();
    line = {job::trial_name(row.number), state_text(row), short_text(row.value(job.sweep))};
    const auto& values = job.sweep.trials[static_cast<std::size_t>(row.number)].values;
    line.insert(line.end(), values.begin(), values.end());
    const bool is_over = row.state == TrialState::done || row.state == TrialState::failed;
    line.insert(line.end(), {row.result ? std::to_string(row.result->steps) : "",
                             is_over ? report::number_text("%.1f", row.seconds) : "",
                             row.attempts > 0 ? std::to_string(row.attempts) : ""});
  }
  std::string text = columns(lines);
  if (rows.size() > most_lines)
    text += "  and " + report::with_commas(std::ssize(rows) - std::int64_t{most_lines}) + " more\n";
  for (const TrialRow& row : table.rows) {
    if (row.state == TrialState::failed)
      text += "  trial " + job::trial_name(row.number) + " failed: " + row.message + "\n";
  }
  if (table.best)
    text += "  best: trial " + job::trial_name(*table.best) + ", " + checkpoint_of(run, *table.best).string() + "\n";
  return text;
}

std::string to_csv(const job::Job& job, const store::RunFolder& run, const Table& table) {
  const std::vector<std::string> metrics = metric_names(table);
  std::vector<std::string> header{"trial", "state"};
  header.insert(header.end(), job.sweep.keys.begin(), job.sweep.keys.end());
  header.insert(header.end(), metrics.begin(), metrics.end());
  header.insert(header.end(), {"steps", "best_step", "seconds", "rank", "attempts", "checkpoint", "message"});
  std::string text = csv_line(header);
  for (const TrialRow& row : table.rows) {
    std::vector<std::string> line{job::trial_name(row.number), std::string(name_of(row.state))};
    const auto& values = job.sweep.trials[static_cast<std::size_t>(row.number)].values;
    line.insert(line.end(), values.begin(), values.end());
    for (const std::string& metric : metrics) {
      const auto value = metric_of(row, metric);
      line.push_back(value ? job::to_text(*value) : "");
    }
    line.push_back(row.result ? std::to_string(row.result->steps) : "");
    line.push_back(row.result ? std::to_string(row.result->best_step) : "");
    line.push_back(row.rank >= 0 ? report::number_text("%.3f", row.seconds) : "");
    line.push_back(row.rank >= 0 ? std::to_string(row.rank) : "");
    line.push_back(std::to_string(row.attempts));
    line.push_back(row.result ? checkpoint_of(run, row.number).lexically_relative(run.path).string() : "");
    line.push_back(row.message);
    text += csv_line(line);
  }
  return text;
}

std::string to_json(const report::Summary& summary, std::string_view state, const job::Job& job,
                    const store::RunFolder& run, const Table& table) {
  auto json = nlohmann::ordered_json::parse(report::to_json(summary, state));
  json["objective"] = job::name_of(job.sweep.objective);
  json["best"] = nullptr;
  json["trials"] = nlohmann::ordered_json::array();
  for (const TrialRow& row : table.rows) {
    nlohmann::ordered_json line{{"trial", job::trial_name(row.number)}, {"state", name_of(row.state)}};
    line["progress"] = row.progress;
    const auto& values = job.sweep.trials[static_cast<std::size_t>(row.number)].values;
    for (std::size_t i = 0; i < values.size(); ++i) line["parameters"][job.sweep.keys[i]] = values[i];
    line["attempts"] = row.attempts;
    if (row.rank >= 0) {
      line["rank"] = row.rank;
      line["seconds"] = row.seconds;
    }
    if (!row.message.empty()) line["message"] = row.message;
    if (row.result) {
      line["steps"] = row.result->steps;
      line["best_step"] = row.result->best_step;
      for (const auto& [name, value] : row.result->metrics) line["metrics"][name] = value;
      line["checkpoint"] = checkpoint_of(run, row.number).string();
    }
    if (table.best == row.number) json["best"] = line;
    json["trials"].push_back(std::move(line));
  }
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string plan_text(const job::Job& job) {
  std::vector<std::vector<std::string>> lines{{"trial"}};
  const std::vector<std::string> keys = short_keys(job.sweep.keys);
  lines.front().insert(lines.front().end(), keys.begin(), keys.end());
  for (std::size_t i = 0; i < job.sweep.trials.size(); ++i) {
    auto& line = lines.emplace_back(std::vector<std::string>{job::trial_name(static_cast<std::int64_t>(i))});
    line.insert(line.end(), job.sweep.trials[i].values.begin(), job.sweep.trials[i].values.end());
  }
  return columns(lines);
}

}  // namespace shardmill::sweep
