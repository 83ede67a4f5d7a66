// shardmill status RUN: what the journal says, also while the run goes on.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/parts.hpp"
#include "cli/run_record.hpp"
#include "cli/slurm_job.hpp"
#include "sweep/telling.hpp"

namespace shardmill::cli {
namespace {

struct StatusOptions {
  std::string run;
  bool json = false;
};

nlohmann::ordered_json to_json(const SlurmState& slurm) {
  return {{"job", slurm.job}, {"state", slurm.state}, {"reason", slurm.reason}, {"nodes", slurm.nodes}};
}

std::string with_more(const std::string& json, const std::optional<SlurmState>& slurm,
                      const std::vector<PartStatus>& parts) {
  auto object = nlohmann::ordered_json::parse(json);
  if (slurm) object["slurm"] = to_json(*slurm);
  for (const PartStatus& part : parts) {
    const report::Summary summary = part.record ? part.record->summary : report::Summary();
    nlohmann::ordered_json line{{"part", to_text(part.part)}, {"outcome", part.state()}};
    line["tasks"] = {{"submitted", summary.tasks_submitted}, {"completed", summary.tasks_completed}};
    line["records"] = {{"total", summary.records}, {"done", summary.records_done}};
    line["faults"] = {{"total", summary.faults}, {"recovered", summary.faults_recovered}};
    if (part.slurm) line["slurm"] = to_json(*part.slurm);
    object["parts"].push_back(std::move(line));
  }
  return object.dump(2) + "\n";
}

void print(const PartStatus& part) {
  std::string text = "  part " + to_text(part.part) + ": " + part.state();
  if (part.record) {
    text += ", " + report::with_commas(part.record->summary.records_done) + " of " +
            report::with_commas(part.record->summary.records) + " records";
  }
  if (part.slurm && !part.done()) text += "; " + to_text(*part.slurm);
  std::printf("%s\n", text.c_str());
}

// Of a whole run that its parts have not been brought together for yet.
std::string state_of(const std::vector<PartStatus>& parts) {
  const bool all = std::all_of(parts.begin(), parts.end(), [](const PartStatus& part) { return part.done(); });
  return all ? "all parts done; `shardmill finish` is next" : "not complete";
}

ExitCode status(const StatusOptions& options) {
  const store::RunFolder folder = store::open_run(options.run);
  const job::Job job = job_of(folder);
  report::Summary summary;
  summary.name = job.name;
  summary.run_dir = folder.path.string();
  std::string state = "has not begun";
  std::optional<serve::LiveFigures> serving;
  std::optional<sweep::Table> trials;
  const std::vector<PartStatus> parts = parts_status(folder, /*ask_slurm=*/true);
  if (const auto record = read_record(job, folder)) {
    summary = record->summary;
    serving = record->serving;
    trials = record->trials;
    state = record->running ? "running"
            : record->ended ? std::string(report::outcome_name(*record->ended))
            : parts.empty() ? "was cut off"
                            : state_of(parts);
  }
  const auto slurm = slurm_state_of(folder);
  if (options.json) {
    const std::string json = serving  ? to_json(summary, *serving, state)
                             : trials ? sweep::to_json(summary, state, job, folder, *trials)
                                      : report::to_json(summary, state);
    std::fputs(with_more(json, slurm, parts).c_str(), stdout);
  } else {
    std::fputs((serving ? to_table(summary, *serving, state) : report::to_table(summary, state)).c_str(), stdout);
    if (trials) std::fputs(sweep::to_table(job, folder, *trials).c_str(), stdout);
    for (const PartStatus& part : parts) print(part);
    if (slurm) std::printf("  %s\n", to_text(*slurm).c_str());
  }
  return ExitCode::done;
}

}  // namespace

void add_status(CLI::App& app, Action& action) {
  auto options = std::make_shared<StatusOptions>();
  CLI::App* command = app.add_subcommand("status", "Show how far a run is, and its figures");
  command->add_option("run", options->run, "The run's folder")->required();
  command->add_flag("--json", options->json, "For programs");
  command->callback([options, &action] { action = [options] { return status(*options); }; });
}

}  // namespace shardmill::cli
