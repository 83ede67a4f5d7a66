#include "report/summary.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include <nlohmann/json.hpp>

namespace shardmill::report {

std::string_view outcome_name(ExitCode outcome) {
  switch (outcome) {
    case ExitCode::done:
      return "done";
    case ExitCode::failed:
      return "failed";
    case ExitCode::bad_job:
      return "bad job";
    case ExitCode::quarantined:
      return "done, with records in quarantine";
    case ExitCode::preempted:
      return "preempted";
  }
  return "unknown";
}

std::string to_json(const Summary& s, std::string_view state) {
  nlohmann::ordered_json json;
  json["name"] = s.name;
  json["outcome"] = state.empty() ? outcome_name(s.outcome) : state;
  json["exit_code"] = to_int(s.outcome);
  json["message"] = s.message;
  json["run_dir"] = s.run_dir;
  json["results"] = s.results;
  json["utilization"] = s.utilization;
  json["load"] = s.load;
  json["fault_tolerance"] = s.fault_tolerance;
  json["tasks"] = {
      {"submitted", s.tasks_submitted}, {"completed", s.tasks_completed}, {"attempts_lost", s.attempts_lost}};
  json["records"] = {{"total", s.records},
                     {"done", s.records_done},
                     {"quarantined", s.records_quarantined},
                     {"recomputed", s.records_recomputed}};
  json["faults"] = {
      {"total", s.faults}, {"recovered", s.faults_recovered}, {"longest_recovery_seconds", s.longest_recovery}};
  json["recovery_seconds"] = {{"detect", s.recovery.detect},
                              {"agree", s.recovery.agree},
                              {"rebuild", s.recovery.rebuild},
                              {"replay", s.recovery.replay}};
  json["total_time_seconds"] = s.total_time;
  json["busy_share"] = s.busy_share;
  json["incarnations"] = s.incarnations;
  json["ranks"] = {{"started", s.ranks}, {"alive_at_end", s.ranks_alive}, {"over_mpi", s.ranks_fed}};
  if (!s.rehearsal.empty()) json["rehearsal"] = s.rehearsal;
  json["device"] = s.device;
  if (!s.exchange.empty()) json["exchange"] = s.exchange;
  json["versions"] = s.versions;
  json["metrics"] = nlohmann::ordered_json::object();
  for (const auto& [name, value] : s.metrics)
    json["metrics"][name] = std::isfinite(value) ? nlohmann::ordered_json(value) : nullptr;
  // Messages may quote anything: invalid UTF-8 is replaced, never thrown about.
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string to_table(const Summary& s, std::string_view state) {
  std::string table;
  const auto line = [&table](const std::string& label, const std::string& value, const std::string& remark = "") {
    table += table_row(label, value, remark);
  };
  table += s.name + ": " + std::string(state.empty() ? outcome_name(s.outcome) : state) +
           (s.message.empty() ? "" : " (" + s.message + ")") + "\n";
  line("utilization", number_text("%.3f", s.utilization),
       with_commas(s.tasks_completed) + " of " + with_commas(s.tasks_submitted) + " " + s.wording.tasks);
  line("load", number_text(s.load < 10 ? "%.3f " : "%.1f ", s.load) + s.wording.rate,
       with_commas(s.records_done) + " of " + with_commas(s.records) + " " + s.wording.requests + " in " +
           seconds_text(s.total_time));
  line("fault tolerance", number_text("%.3f", s.fault_tolerance),
       with_commas(s.faults_recovered) + " of " + with_commas(s.faults) + " faults recovered");
  line("ranks", std::to_string(s.ranks),
       s.device.empty() ? ""
                        : std::to_string(s.ranks_alive) + " alive at the end, on " + s.device +
                              (s.exchange.empty() ? "" : ", gradients over " + s.exchange));
  if (s.ranks_fed > 0) {
    line("over MPI", std::to_string(s.ranks_fed), "ranks do not use the files: records and results are sent");
  }
  line("busy share", number_text("%.0f", s.busy_share * 100) + " %", "of the ranks' time went into committed shards");
  if (s.attempts_lost > 0 || s.faults > 0) {
    line("lost attempts", with_commas(s.attempts_lost),
         with_commas(s.records_recomputed) + " " + s.wording.requests + " computed again, longest recovery " +
             seconds_text(s.longest_recovery));
  }
  const RecoveryTimes& r = s.recovery;
  if (r.detect + r.agree + r.rebuild + r.replay > 0) {
    line("recovery", seconds_text(r.detect + r.agree + r.rebuild + r.replay),
         "detect " + seconds_text(r.detect) + ", agree " + seconds_text(r.agree) + ", rebuild " +
             seconds_text(r.rebuild) + ", replay " + seconds_text(r.replay));
  }
  if (s.incarnations > 1) line("incarnations", std::to_string(s.incarnations), "the run went on from its journal");
  if (s.records_quarantined > 0) line("quarantined", with_commas(s.records_quarantined), s.wording.quarantine);
  for (const auto& [name, value] : s.metrics) line(name, number_text("%.4f", value));
  if (!s.rehearsal.empty()) line("rehearsal", s.rehearsal);
  line("results", s.results);
  return table;
}

std::string table_row(const std::string& label, const std::string& value, const std::string& remark) {
  // Not through a buffer of fixed size: a path may be long, and cut it is worth nothing.
  std::string row = "  " + label;
  row.resize(std::max<std::size_t>(row.size() + 1, 21), ' ');
  row += value;
  row.resize(std::max<std::size_t>(row.size() + 1, 36), ' ');
  row += remark;
  row.erase(row.find_last_not_of(' ') + 1);
  return row + "\n";
}

std::string number_text(const char* pattern, double value) {
  char text[64];
  std::snprintf(text, sizeof text, pattern, value);
  return text;
}

std::string with_commas(std::int64_t number) {
  std::string digits = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > (number < 0 ? 1 : 0); at -= 3) {
    digits.insert(static_cast<std::size_t>(at), ",");
  }
  return digits;
}

std::string bytes_text(double bytes) {
  static constexpr std::array units = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < units.size()) {
    bytes /= 1024;
    ++unit;
  }
  return number_text(unit == 0 ? "%.0f " : "%.1f ", bytes) + units[unit];
}

std::string seconds_text(double seconds) {
  if (seconds < 0.9995) return number_text("%.0f ms", seconds * 1000);
  if (seconds < 59.95) return number_text("%.1f s", seconds);
  const auto whole = static_cast<long long>(std::llround(seconds));
  if (whole < 3600) return std::to_string(whole / 60) + "m " + std::to_string(whole % 60) + "s";
  return std::to_string(whole / 3600) + "h " + std::to_string(whole % 3600 / 60) + "m";
}

}  // namespace shardmill::report
