// What a run came to, for people (a table) and programs (summary.json).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "job/exit_codes.hpp"

namespace shardmill::report {

// The three figures keep their definitions everywhere: utilization = tasks completed / tasks submitted, load = requests
// (records) / total time, fault tolerance = faults recovered / faults (1 if there were none). Times in seconds.
struct Summary {
  std::string name;
  std::string run_dir;
  std::string results;
  ExitCode outcome = ExitCode::done;
  std::string message;

  std::int64_t tasks_submitted = 0;
  std::int64_t tasks_completed = 0;
  double utilization = 0;
  std::int64_t records = 0;
  std::int64_t records_done = 0;
  double total_time = 0;
  double load = 0;
  std::int64_t faults = 0;
  std::int64_t faults_recovered = 0;
  double fault_tolerance = 1;

  std::int64_t records_quarantined = 0;
  std::int64_t records_recomputed = 0;
  std::int64_t attempts_lost = 0;
  double longest_recovery = 0;
  double busy_share = 0;  // of the ranks' time, spent on shards that were committed
  int incarnations = 1;
  int ranks = 0;
  int ranks_alive = 0;
  std::string device;
  std::string versions;
  std::vector<std::pair<std::string, double>> metrics;
};

std::string_view outcome_name(ExitCode outcome);  // "done", "failed", ...
// state: in place of the outcome's name, for a run that has not ended.
std::string to_json(const Summary& summary, std::string_view state = "");
// Some ten short lines.
std::string to_table(const Summary& summary, std::string_view state = "");

// "1,797", "12.3k", "4.1 GiB", "1m 12s"
std::string with_commas(std::int64_t number);
std::string bytes_text(double bytes);
std::string seconds_text(double seconds);

}  // namespace shardmill::report
