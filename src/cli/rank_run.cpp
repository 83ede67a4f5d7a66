// What mpirun starts: a rank of a run.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>

#include "cli/commands.hpp"
#include "cli/job_options.hpp"
#include "cli/parts.hpp"
#include "comm/control_channel.hpp"
#include "comm/parting.hpp"
#include "comm/placement.hpp"
#include "comm/rank_process.hpp"
#include "infer/rank.hpp"
#include "job/error.hpp"
#include "job/load.hpp"
#include "job/rehearsal.hpp"
#include "serve/rank.hpp"
#include "store/run_folder.hpp"
#include "sweep/rank.hpp"
#include "train/rank.hpp"

namespace shardmill::cli {

namespace {

[[noreturn]] void be_rank(const report::RankOptions& options) {
  switch (options.job.kind) {
    case job::Kind::infer:
      infer::run_rank(options);
    case job::Kind::train:
      train::run_rank(options);
    case job::Kind::serve:
      serve::run_rank(options);
    case job::Kind::sweep:
      sweep::run_rank(options);
  }
  std::abort();
}

std::string unreadable(const Error& error) {
  const std::string text = error.what();
  return "it cannot read what the run needs (" + text.substr(0, text.find('\n')) + ")";
}

// A rank that cannot be fed says why it leaves; of those on a node one.
void say_unsighted(const report::RankOptions& options) {
  const comm::Placement placement = comm::placement_from_environment();
  if (placement.local_rank != 0) return;
  comm::print_error("rank " + std::to_string(placement.rank) + " on " + store::this_host() +
                    " cannot take part: " + options.unsighted + "; this job needs a file system that all nodes share");
}

// Rank 0 cannot begin the run, but the others may have come to be fed: they are told. Ends the process.
[[noreturn]] void refuse(const job::JobError& error) {
  std::fputs((std::string(error.what()) + "\n").c_str(), stderr);
  const auto world = comm::start_rank();
  comm::ControlChannel channel(*world);
  comm::dismiss(*world, channel, error.exit_code());
  world->leave(to_int(error.exit_code()), false);
}

// The job from the run's folder. On a cluster without a shared file system, only some ranks can read it; the others are
// fed. False if this one cannot be.
bool read_job(report::RankOptions& options, bool may_be_fed) {
  try {
    options.job = job::load_job(store::open_run(options.run_dir).job());
    return true;
  } catch (const Error& error) {
    if (comm::placement_from_environment().rank == 0) throw;
    options.unsighted = unreadable(error);
    if (!may_be_fed) say_unsighted(options);
    return may_be_fed;
  }
}

// The same where every rank has a job file of its own: only what that names may not be there.
void read_job(report::RankOptions& options, JobOptions job) {
  try {
    options.job = load_and_check(job);
    if (options.job.tune) refuse_tuning("under an mpirun of your own");
  } catch (const job::JobError& error) {
    job.later = "/";
    options.job = load(job);
    const comm::Placement placement = comm::placement_from_environment();
    const bool may_be_fed = options.job.kind == job::Kind::infer;
    if (placement.rank == 0 && placement.size > 1 && may_be_fed) refuse(error);
    if (placement.rank == 0) throw;
    options.unsighted = unreadable(error);
    if (may_be_fed) return;
    say_unsighted(options);
    throw;
  }
}

}  // namespace

// The front door has made the run's folder.
void add_rank_run_folder(CLI::App& app, Action& action) {
  auto options = std::make_shared<report::RankOptions>();
  auto run = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("run-folder", "Be a rank of the run in this folder");
  command->add_option("run", *run)->required();
  const std::map<std::string, report::ProgressStyle> styles{{"none", report::ProgressStyle::none},
                                                            {"lines", report::ProgressStyle::lines},
                                                            {"bar", report::ProgressStyle::bar}};
  command->add_option("--progress", options->progress)->transform(CLI::CheckedTransformer(styles));
  command->add_flag("!--no-summary", options->print_summary);
  command->add_flag("--rehearsal", options->rehearsal);
  auto may_be_fed = std::make_shared<bool>(false);
  command->add_flag("--may-be-fed", *may_be_fed);
  command->callback([options, run, may_be_fed, &action] {
    action = [options, run, may_be_fed]() -> ExitCode {
      options->run_dir = *run;
      if (!read_job(*options, *may_be_fed)) return ExitCode::failed;
      be_rank(*options);
    };
  });
}

// mpirun was started by hand: `mpirun -np 8 shardmill run JOB`.
void add_rank_run(CLI::App& app, Action& action) {
  auto job = std::make_shared<JobOptions>();
  auto run_dir = std::make_shared<std::string>();
  auto quiet = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("run", "Be a rank of a new run");
  add_job_options(*command, *job);
  add_part_option(*command, job->part);
  command->add_option("--run-dir", *run_dir);
  command->add_flag("--quiet", *quiet);
  command->callback([job, run_dir, quiet, &action] {
    action = [job, run_dir, quiet]() -> ExitCode {
      report::RankOptions options;
      read_job(options, *job);
      if (options.job.serve.idle_job)
        throw UsageError(
            "idle_job needs `shardmill run` without an mpirun of your own: the idle job has ranks beside the server's");
      options.run_dir = std::filesystem::absolute(
          run_dir->empty() ? "runs/" + store::new_run_name("runs", options.job.name) : *run_dir);
      if (options.job.part) {
        if (run_dir->empty()) throw UsageError("--part needs --run-dir, the folder of the run that all parts fill");
        // Rank 0 makes the part's folder, as it does any run's.
        options.run_dir = comm::placement_from_environment().rank == 0
                              ? begin_part(*job, options.run_dir, options.job).path
                              : store::part_folder({options.run_dir}, *options.job.part).path;
      }
      options.fresh = true;
      options.rehearsal = true;
      job::arm_rehearsal(options.job);
      options.progress = *quiet ? report::ProgressStyle::none : report::ProgressStyle::lines;
      options.print_summary = !*quiet;
      be_rank(options);
    };
  });
}

}  // namespace shardmill::cli
