// What a server leaves in its run's folder: its journal, and while it runs its figures. Free of LibTorch and MPI.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "job/exit_codes.hpp"
#include "report/summary.hpp"
#include "serve/idle_state.hpp"
#include "store/run_folder.hpp"

namespace shardmill::serve {

struct ServeRecord {
  std::int64_t ready = 0;  // how often a server came up
  std::optional<ExitCode> ended;
  report::Summary summary;  // of the one that ended; else empty
};

// Of a server that runs, as of a second ago, beside what its summary has.
struct LiveFigures {
  std::string address;
  struct Ranks {
    int loading = 0, idle = 0, busy = 0, spare = 0, dead = 0;
  } ranks;
  std::int64_t connections = 0;
  struct OfModel {
    std::string name;
    std::int64_t submitted = 0, completed = 0, records = 0, waiting = 0;
  };
  std::vector<OfModel> models;
  std::optional<IdleState> idle;  // none if the server has no idle job
};

std::filesystem::path figures_file(const store::RunFolder& run);
// Puts them in the place of the last ones, at once; not durable. Never throws: who misses them sees older ones.
void write_figures(const store::RunFolder& run, const report::Summary& summary, const LiveFigures& live);
// None if there are none. Fills in what the summary has of a server.
std::optional<LiveFigures> read_figures(const store::RunFolder& run, report::Summary& summary);
// Some lines for people.
std::string to_table(const report::Summary& summary, const LiveFigures& live, const std::string& state);
// summary.json's keys, and "serving".
std::string to_json(const report::Summary& summary, const LiveFigures& live, const std::string& state);

// Entries of the journal.
std::string ready_entry(std::int64_t unix_seconds, const std::string& address);
std::string ended_entry(const report::Summary& summary);

ServeRecord replay(const std::vector<std::string>& payloads);

}  // namespace shardmill::serve
