// shardmill submit JOB: a run as a batch job of Slurm, or an existing one again.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "cli/batch_script.hpp"
#include "cli/child.hpp"
#include "cli/commands.hpp"
#include "cli/job_options.hpp"
#include "cli/parts.hpp"
#include "cli/places.hpp"
#include "cli/run_record.hpp"
#include "cli/slurm_job.hpp"
#include "job/error.hpp"
#include "store/checkpoint_folder.hpp"
#include "store/disk.hpp"
#include "store/journal.hpp"
#include "store/run_folder.hpp"
#include "train/run_places.hpp"

namespace shardmill::cli {
namespace {

namespace fs = std::filesystem;

struct SubmitOptions {
  JobOptions job;
  std::string run_dir;
  std::string after;
  int array = 0;  // parts; 0: in one piece
  bool dry_run = false;
};

bool is_run(const fs::path& folder) {
  std::error_code error;
  return fs::exists(store::RunFolder{folder}.job(), error);
}

// What the run's own copy of its job says.
std::optional<RunRecord> record_of(const store::RunFolder& run) { return read_record(job_of(run), run); }

// The option of sbatch that makes a job wait for that run; none if the run is done already.
std::optional<std::string> wait_for(const std::string& before) {
  const store::RunFolder run = store::open_run(before);
  if (const auto record = record_of(run); record && is_done(*record)) return std::nullopt;
  const auto state = slurm_state_of(run);
  if (!state || state->is_over())
    throw UsageError(before + " is not done, and not queued either: submit it first, or leave out --after");
  return "--dependency=afterok:" + state->job;
}

void refuse_if_queued(const store::RunFolder& run) {
  const auto state = slurm_state_of(run);
  if (state && !state->is_over()) throw UsageError(run.path.string() + " is in the queue already: " + to_text(*state));
  std::error_code error;
  if (fs::exists(run.journal(), error) && store::journal_in_use(store::posix_disk(), run.journal()))
    throw UsageError(run.path.string() + " is running; `shardmill status` shows how far it is");
}

// Of files that the run before is to make, only a checkpoint can be told beforehand to be there in the end.
void check_model_to_come(const job::Job& job, const store::RunFolder& before) {
  std::error_code error;
  const fs::path& path = job.model.path;
  if (path.empty() || fs::exists(path, error)) return;
  const job::Job first = job_of(before);
  std::string problem;
  if (first.kind != job::Kind::train ||
      fs::weakly_canonical(path.parent_path(), error) != train::checkpoints_of(before)) {
    problem = before.path.string() + " will not make it";
  } else if (path.filename() != store::best_checkpoint && path.filename() != store::last_checkpoint) {
    problem = std::string("whether it will be there in the end nobody knows; name ") + store::best_checkpoint + " or " +
              store::last_checkpoint;
  } else if (!first.model.zoo) {
    problem = "it will hold the weights of a TorchScript module only, which are no model by themselves";
  } else if (job.model.format != job::ModelFormat::checkpoint) {
    problem = "it will be a checkpoint; leave out model.format";
  }
  job::Diagnostics diagnostics;
  if (!problem.empty())
    diagnostics.add(job.where("model.path"), "model.path: " + path.string() + " is not there yet, and " + problem);
  diagnostics.throw_if_any();
}

std::string call_sbatch(const std::vector<std::string>& words) {
  const ChildOutput answer = call(words);
  if (answer.code == 127) throw UsageError("there is no sbatch here: submit from a machine of the cluster");
  if (answer.code != 0) {
    std::string said = answer.err;
    while (!said.empty() && said.back() == '\n') said.pop_back();
    throw UsageError("sbatch refused the job: " + said);
  }
  return answer.out.substr(0, answer.out.find_first_of(";\n"));  // "17", or "17;cluster"
}

std::vector<std::string> sbatch_words(const std::optional<std::string>& dependency) {
  std::vector<std::string> words{"sbatch", "--parsable"};
  if (dependency) words.insert(words.end(), {*dependency, "--kill-on-invalid-dep=yes"});
  return words;
}

// Hands in the script, which is left in the run's folder; Slurm's number.
std::string hand_in(std::vector<std::string> words, const store::RunFolder& run, const fs::path& place,
                    const std::string& script) {
  store::posix_disk().make_folders(slurm_folder(run));
  store::write_file(store::posix_disk(), place, script);
  words.insert(words.end(), {place.string(), run.path.string()});
  return call_sbatch(words);
}

// A new run's folder, which goes if it comes to nothing.
class NewRun {
 public:
  explicit NewRun(const fs::path& dir) : dir_(dir), is_new_(!is_run(dir)) {}
  ~NewRun() {
    std::error_code error;
    if (is_new_ && !kept_) fs::remove_all(dir_, error);
  }
  NewRun(const NewRun&) = delete;
  NewRun& operator=(const NewRun&) = delete;
  bool is_new() const { return is_new_; }
  void keep() { kept_ = true; }

 private:
  fs::path dir_;
  bool is_new_;
  bool kept_ = false;
};

// An array, a task for each part that is not done, and a job that follows it.
ExitCode submit_parts(const SubmitOptions& options, const job::Job& job, const fs::path& dir,
                      const std::optional<std::string>& dependency) {
  const int of = options.array > 0 ? options.array : store::parts_of({dir}).value_or(0);
  check_parts(job, of);
  PartTasks tasks{of, {}};
  const auto array_script = [&] { return batch_script(job, own_program(), slurm_folder({dir}) / "%A_%a.out", tasks); };
  if (options.dry_run) {
    for (int index = 1; index <= of; ++index) tasks.indices.push_back(index);
    std::fputs(array_script().c_str(), stdout);
    return ExitCode::done;
  }
  NewRun new_run(dir);
  const store::RunFolder run = store::join_run(
      store::posix_disk(), dir,
      new_run.is_new() ? job.resolved_yaml : store::read_file(store::posix_disk(), store::RunFolder{dir}.job()), of);
  refuse_if_queued(run);
  for (int index = 1; index <= of; ++index) {
    const store::RunFolder part = open_part(run, {index, of});
    const auto record = record_of(part);
    if (record && is_done(*record)) continue;
    refuse_if_queued(part);
    tasks.indices.push_back(index);
  }
  std::optional<std::string> after = dependency;
  std::string text = "nothing to compute";
  if (!tasks.indices.empty()) {
    const std::string array = hand_in(sbatch_words(dependency), run, slurm_script(run), array_script());
    new_run.keep();
    for (const int index : tasks.indices)
      note_slurm_job(store::part_folder(run, {index, of}), array + "_" + std::to_string(index));
    after = "--dependency=afterany:" + array;
    text = "Slurm array " + array + " for " + std::to_string(tasks.indices.size()) + " of " + std::to_string(of) +
           " parts";
  }
  const std::string finish = hand_in(sbatch_words(after), run, slurm_folder(run) / "finish.sbatch",
                                     finish_script(job, own_program(), slurm_folder(run) / "%j.out"));
  note_slurm_job(run, finish);
  std::printf("%s: %s, then job %s, run folder %s\n", job.name.c_str(), text.c_str(), finish.c_str(), run.path.c_str());
  return ExitCode::done;
}

ExitCode submit(const SubmitOptions& options) {
  const auto dependency = options.after.empty() ? std::nullopt : wait_for(options.after);
  JobOptions job_options = options.job;
  if (dependency) job_options.later = store::open_run(options.after).path;
  const job::Job job = load_and_check(job_options);
  if (dependency) check_model_to_come(job, {job_options.later});
  if (job.tune) refuse_tuning("by `submit`, which may be on another machine");
  if (job.faults) throw UsageError("a job with faults is a rehearsal, and those go through `shardmill run` only");
  const fs::path dir =
      fs::absolute(options.run_dir.empty() ? "runs/" + store::new_run_name("runs", job.name) : options.run_dir);
  if (is_run(dir)) {
    if (const auto record = record_of({dir}); record && is_done(*record)) {
      std::printf("%s is done already\n", dir.c_str());
      return *record->ended;
    }
  }
  if (options.array > 0 || store::parts_of({dir})) return submit_parts(options, job, dir, dependency);
  const std::string script = batch_script(job, own_program(), slurm_folder({dir}) / "%j.out");
  if (options.dry_run) {
    std::fputs(script.c_str(), stdout);
    return ExitCode::done;
  }
  NewRun new_run(dir);
  const store::RunFolder run =
      new_run.is_new() ? store::create_run(store::posix_disk(), dir, job.resolved_yaml) : store::RunFolder{dir};
  if (!new_run.is_new()) refuse_if_queued(run);
  const std::string number = hand_in(sbatch_words(dependency), run, slurm_script(run), script);
  new_run.keep();
  note_slurm_job(run, number);
  std::printf("%s: Slurm job %s, run folder %s\n", job.name.c_str(), number.c_str(), run.path.c_str());
  return ExitCode::done;
}

}  // namespace

void add_submit(CLI::App& app, Action& action) {
  auto options = std::make_shared<SubmitOptions>();
  CLI::App* command = app.add_subcommand("submit", "Run a job as a batch job of Slurm, or go on with a run there");
  add_job_options(*command, options->job);
  command->add_option("--run-dir", options->run_dir,
                      "The run's folder (default: runs/<name>-<id>); an existing run goes on");
  command->add_option("--after", options->after, "A run that has to be done first");
  command
      ->add_option("--array", options->array,
                   "So many independent jobs, each for a part of the shards, into one result")
      ->check(CLI::Range(1, job::most_parts));
  command->add_flag("--dry-run", options->dry_run, "Show the batch script, and do nothing");
  command->callback([options, &action] { action = [options] { return submit(*options); }; });
}

}  // namespace shardmill::cli
