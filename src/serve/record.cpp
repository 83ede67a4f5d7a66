#include "serve/record.hpp"

#include <fstream>
#include <utility>

#include <nlohmann/json.hpp>

namespace shardmill::serve {
namespace {

using Json = nlohmann::ordered_json;

void add_summary(Json& json, const report::Summary& summary) {
  json["submitted"] = summary.tasks_submitted;
  json["completed"] = summary.tasks_completed;
  json["records"] = summary.records_done;
  json["seconds"] = summary.total_time;
  json["faults"] = summary.faults;
  json["recovered"] = summary.faults_recovered;
  json["ranks"] = summary.ranks;
}

void fill(const Json& json, report::Summary& summary) {
  summary.tasks_submitted = json.value("submitted", std::int64_t{0});
  summary.tasks_completed = json.value("completed", std::int64_t{0});
  summary.records = summary.records_done = json.value("records", std::int64_t{0});
  summary.total_time = json.value("seconds", 0.0);
  summary.faults = json.value("faults", std::int64_t{0});
  summary.faults_recovered = json.value("recovered", std::int64_t{0});
  summary.ranks = json.value("ranks", 0);
  const auto ratio = [](double part, double whole) { return whole > 0 ? part / whole : 1; };
  summary.utilization =
      ratio(static_cast<double>(summary.tasks_completed), static_cast<double>(summary.tasks_submitted));
  summary.load = summary.total_time > 0 ? static_cast<double>(summary.records) / summary.total_time : 0;
  summary.fault_tolerance = ratio(static_cast<double>(summary.faults_recovered), static_cast<double>(summary.faults));
}

Json serving_json(const LiveFigures& live) {
  Json models = Json::array();
  for (const auto& model : live.models) {
    models.push_back({{"name", model.name},
                      {"submitted", model.submitted},
                      {"completed", model.completed},
                      {"records", model.records},
                      {"waiting", model.waiting}});
  }
  const auto& ranks = live.ranks;
  Json json{{"address", live.address},
            {"connections", live.connections},
            {"ranks",
             {{"loading", ranks.loading},
              {"idle", ranks.idle},
              {"busy", ranks.busy},
              {"spare", ranks.spare},
              {"dead", ranks.dead}}},
            {"models", models}};
  if (live.idle) json["idle_job"] = *live.idle;
  return json;
}

std::string line(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

std::string ready_entry(std::int64_t unix_seconds, const std::string& address) {
  return line({{"entry", "ready"}, {"time", unix_seconds}, {"address", address}});
}

std::string ended_entry(const report::Summary& summary) {
  Json json{{"entry", "ended"}, {"outcome", to_int(summary.outcome)}, {"message", summary.message}};
  add_summary(json, summary);
  return line(json);
}

std::filesystem::path figures_file(const store::RunFolder& run) { return run.path / "figures.json"; }

void write_figures(const store::RunFolder& run, const report::Summary& summary, const LiveFigures& live) {
  Json json;
  add_summary(json, summary);
  json["serving"] = serving_json(live);
  const std::filesystem::path file = figures_file(run);
  const std::filesystem::path next = file.string() + ".new";
  if (std::ofstream out(next); !(out << line(json) << "\n")) return;
  std::error_code ignored;
  std::filesystem::rename(next, file, ignored);
}

std::optional<LiveFigures> read_figures(const store::RunFolder& run, report::Summary& summary) {
  std::ifstream in(figures_file(run));
  const Json json = Json::parse(in, nullptr, false);
  if (!json.is_object() || !json.contains("serving")) return std::nullopt;
  fill(json, summary);
  const Json& serving = json["serving"];
  LiveFigures live;
  live.address = serving.value("address", "");
  live.connections = serving.value("connections", std::int64_t{0});
  const Json ranks = serving.value("ranks", Json::object());
  live.ranks = {ranks.value("loading", 0), ranks.value("idle", 0), ranks.value("busy", 0), ranks.value("spare", 0),
                ranks.value("dead", 0)};
  for (const Json& model : serving.value("models", Json::array())) {
    live.models.push_back({model.value("name", ""), model.value("submitted", std::int64_t{0}),
                           model.value("completed", std::int64_t{0}), model.value("records", std::int64_t{0}),
                           model.value("waiting", std::int64_t{0})});
  }
  if (serving.contains("idle_job")) live.idle = serving["idle_job"].get<IdleState>();
  return live;
}

std::string to_json(const report::Summary& summary, const LiveFigures& live, const std::string& state) {
  Json json = Json::parse(report::to_json(summary, state));
  json["serving"] = serving_json(live);
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string to_table(const report::Summary& summary, const LiveFigures& live, const std::string& state) {
  using report::with_commas;
  std::string table = summary.name + ": " + state + " (" + live.address + ")\n";
  const auto row = [&table](const std::string& label, const std::string& value, const std::string& remark) {
    table += report::table_row(label, value, remark);
  };
  row("utilization", report::number_text("%.3f", summary.utilization),
      with_commas(summary.tasks_completed) + " of " + with_commas(summary.tasks_submitted) + " requests answered");
  row("load", report::number_text("%.1f rec/s", summary.load),
      with_commas(summary.records) + " records in " + report::seconds_text(summary.total_time));
  row("fault tolerance", report::number_text("%.3f", summary.fault_tolerance),
      with_commas(summary.faults_recovered) + " of " + with_commas(summary.faults) + " deaths recovered from");
  const auto& ranks = live.ranks;
  std::string others;
  for (const auto& [count, what] :
       {std::pair{ranks.spare, "spare"}, {ranks.loading, "loading"}, {ranks.dead, "dead"}}) {
    if (count > 0) others += ", " + std::to_string(count) + " " + what;
  }
  row("ranks", std::to_string(ranks.busy + ranks.idle), std::to_string(ranks.busy) + " busy" + others);
  row("connections", with_commas(live.connections), "");
  for (const auto& model : live.models) {
    row(live.models.size() > 1 ? model.name : "requests", with_commas(model.submitted),
        with_commas(model.completed) + " answered, " + with_commas(model.waiting) + " waiting");
  }
  if (live.idle) row("idle job", "", to_text(*live.idle));
  return table;
}

ServeRecord replay(const std::vector<std::string>& payloads) {
  ServeRecord record;
  for (const std::string& payload : payloads) {
    const Json json = Json::parse(payload, nullptr, false);
    if (!json.is_object()) continue;
    const std::string entry = json.value("entry", "");
    record.ended.reset();
    if (entry == "ready") ++record.ready;
    if (entry != "ended") continue;
    record.ended = static_cast<ExitCode>(json.value("outcome", to_int(ExitCode::failed)));
    record.summary.message = json.value("message", "");
    fill(json, record.summary);
  }
  return record;
}

}  // namespace shardmill::serve
