// shardmill verify RUN: recomputes every checksum of the results, or of the checkpoints.
#include "infer/verify.hpp"

#include <cstdio>
#include <memory>

#include "cli/commands.hpp"
#include "cli/run_record.hpp"
#include "job/error.hpp"
#include "report/summary.hpp"
#include "store/checkpoint_folder.hpp"
#include "sweep/places.hpp"
#include "sweep/record.hpp"
#include "train/run_places.hpp"

namespace shardmill::cli {
namespace {

// Of a training run, or of all trials of a sweep: every checkpoint.
ExitCode verify_checkpoints(const store::RunFolder& folder, const std::vector<store::RunFolder>& trainings) {
  std::vector<store::StoredCheckpoint> checkpoints;
  for (const store::RunFolder& training : trainings) {
    const auto found = store::list_checkpoints(train::checkpoints_of(training));
    checkpoints.insert(checkpoints.end(), found.begin(), found.end());
  }
  int bad = 0;
  for (const store::StoredCheckpoint& checkpoint : checkpoints) {
    try {
      const store::CheckpointFile checked(store::posix_disk(), checkpoint.path);
    } catch (const StoreError& error) {
      std::fprintf(stderr, "shardmill: error: %s\n", error.what());
      ++bad;
    }
  }
  std::printf("%s: %zu of %zu checkpoints check out\n", folder.path.c_str(),
              checkpoints.size() - static_cast<std::size_t>(bad), checkpoints.size());
  return bad == 0 ? ExitCode::done : ExitCode::failed;
}

ExitCode verify_sweep(const job::Job& job, const store::RunFolder& folder) {
  int lost = 0;
  std::vector<store::RunFolder> trainings;
  if (const auto record = sweep::read_sweep(job, folder)) {
    for (const sweep::TrialRow& row : record->table.rows) {
      trainings.push_back({sweep::trial_folder(folder, row.number)});
      if (row.state != sweep::TrialState::done || row.result) continue;
      std::fprintf(stderr, "shardmill: error: %s is not what the journal says\n",
                   sweep::result_file(folder, row.number).c_str());
      ++lost;
    }
  }
  const ExitCode checkpoints = verify_checkpoints(folder, trainings);
  return lost == 0 ? checkpoints : ExitCode::failed;
}

ExitCode verify(const std::string& run) {
  const store::RunFolder folder = store::open_run(run);
  const job::Job job = job_of(folder);
  if (job.kind == job::Kind::train) return verify_checkpoints(folder, {folder});
  if (job.kind == job::Kind::sweep) return verify_sweep(job, folder);
  if (job.kind == job::Kind::serve) throw UsageError(job.name + " was a server: it has no results to verify");
  const infer::Verification found = infer::verify_run(job, folder);
  for (const std::string& problem : found.problems) std::fprintf(stderr, "shardmill: error: %s\n", problem.c_str());
  const std::string done =
      report::with_commas(found.shards_checked) + " of " + report::with_commas(found.shards) + " shards";
  if (!found.problems.empty()) {
    std::printf("%s: checked %s, %zu problems\n", folder.path.c_str(), done.c_str(), found.problems.size());
    return ExitCode::failed;
  }
  std::printf("%s: %s check out%s\n", folder.path.c_str(), done.c_str(),
              found.shards_checked < found.shards ? "; the others are not done yet" : "");
  return ExitCode::done;
}

}  // namespace

void add_verify(CLI::App& app, Action& action) {
  auto run = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("verify", "Recompute every checksum of a run's results");
  command->add_option("run", *run, "The run's folder")->required();
  command->callback([run, &action] { action = [run] { return verify(*run); }; });
}

}  // namespace shardmill::cli
