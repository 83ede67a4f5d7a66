// What a run came to, for people (a table) and programs (summary.json).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "job/exit_codes.hpp"

namespace shardmill::report {

// Seconds of the phases of recovery, each 0 where it does not apply.
struct RecoveryTimes {
  double detect = 0;   // from the last sign of a dead rank until its death was known, at most
  double agree = 0;    // from then until the next coordinator, if it was that
  double rebuild = 0;  // from a new coordinator until leases could begin, but for
  double replay = 0;   // reading the journal
};

// What tasks and requests are.
struct Wording {
  std::string tasks = "tasks (shards)";
  std::string requests = "records";
  std::string rate = "rec/s";
  std::string quarantine = "see /shardmill/quarantine in the results";
};

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
  RecoveryTimes recovery;
  double busy_share = 0;  // of the ranks' time, spent on shards that were committed
  int incarnations = 1;
  int ranks = 0;
  int ranks_alive = 0;
  int ranks_fed = 0;  // records and results go over MPI: they do not see the run's files
  std::string device;
  std::string exchange;  // what carried the gradients; empty: nothing had to
  std::string versions;
  std::vector<std::pair<std::string, double>> metrics;
  std::string rehearsal;  // how a rehearsal went; "" if it was none
  Wording wording;        // of the table
};

std::string_view outcome_name(ExitCode outcome);  // "done", "failed", ...
// state: in place of the outcome's name, for a run that has not ended.
std::string to_json(const Summary& summary, std::string_view state = "");
// Some ten short lines.
std::string to_table(const Summary& summary, std::string_view state = "");

// One line of such a table: label, value and remark in columns.
std::string table_row(const std::string& label, const std::string& value, const std::string& remark = "");

// A number by printf's pattern. "1,797", "12.3k", "4.1 GiB", "1m 12s"
std::string number_text(const char* pattern, double value);
std::string with_commas(std::int64_t number);
std::string bytes_text(double bytes);
std::string seconds_text(double seconds);

}  // namespace shardmill::report
