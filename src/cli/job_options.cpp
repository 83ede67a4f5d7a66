#include "cli/job_options.hpp"

#include "cli/parts.hpp"
#include "cli/places.hpp"
#include "infer/check.hpp"
#include "job/error.hpp"
#include "job/load.hpp"
#include "job/names.hpp"
#include "serve/check.hpp"
#include "sweep/check.hpp"

namespace shardmill::cli {

void add_job_options(CLI::App& command, JobOptions& options) {
  command.add_option("job", options.file, "The job file (YAML)")->required();
  command.add_option("--profile", options.profile, "A profile from configs/, or a file: defaults under the job's keys");
  command.add_option("--set", options.overrides, "KEY.PATH=VALUE: wins over the job file (may be repeated)")
      ->allow_extra_args(false);
}

void add_part_option(CLI::App& command, std::string& part) {
  command.add_option("--part", part, "K/N: only this one of N parts of the shards, into the run that all N fill");
}

job::Job load(const JobOptions& options) {
  job::LoadOptions load_options;
  if (!options.profile.empty()) load_options.profile = options.profile;
  load_options.overrides = options.overrides;
  load_options.config_dir = config_dir();
  load_options.later = options.later;
  job::Job job = job::load_job(options.file, load_options);
  if (!options.part.empty()) {
    const job::Part part = part_of(options.part);
    refuse_parts_unless_infer(job);
    load_options.overrides.push_back("part=" + to_text(part));
    job = job::load_job(options.file, load_options);
  }
  if (job.part && options.part.empty())
    throw UsageError("the key `part` is for a run's own copy of its job; use --part " + to_text(*job.part));
  return job;
}

void refuse_tuning(const std::string& there) {
  throw UsageError("a run cannot be tuned " + there +
                   "; leave out --tune and `tune: true`, and write into the job what `shardmill tune` finds");
}

job::Job load_and_check(const JobOptions& options) {
  job::Job job = load(options);
  check(job);
  return job;
}

void check(const job::Job& job) {
  job::Diagnostics diagnostics;
  if (job.kind == job::Kind::serve) {
    serve::check(job, diagnostics);
  } else if (job.kind == job::Kind::sweep) {
    sweep::check(job, diagnostics);
  } else {
    infer::check(job, diagnostics);
  }
  diagnostics.throw_if_any();
  if (job.serve.idle_job) check(load_idle_job(job));
}

job::Job load_idle_job(const job::Job& server) {
  job::LoadOptions options;
  options.config_dir = config_dir();
  const std::filesystem::path& file = *server.serve.idle_job;
  job::Job job = job::load_job(file, options);
  job::Diagnostics diagnostics;
  if (job.kind != job::Kind::infer) {
    diagnostics.add(server.where("idle_job"), "idle_job: " + file.string() + " is a job of kind " +
                                                  std::string(name_of(job.kind)) + "; it must be one of kind infer");
  } else if (job.part) {
    diagnostics.add(server.where("idle_job"),
                    "idle_job: " + file.string() + " is one part of a run; name the job file");
  } else if (job.tune) {
    diagnostics.add(server.where("idle_job"), "idle_job: " + file.string() +
                                                  " has `tune: true`, which is for `shardmill run`; write into it what "
                                                  "`shardmill tune` finds");
  }
  diagnostics.throw_if_any();
  return job;
}

void refuse_unless_infer(const job::Job& job, const std::string& command) {
  if (job.kind != job::Kind::infer)
    throw UsageError("`shardmill " + command + "` is for jobs of kind infer; this one is of kind " +
                     std::string(name_of(job.kind)));
}

job::Job load_infer_and_check(const JobOptions& options, const std::string& command) {
  job::Job job = load_and_check(options);
  refuse_unless_infer(job, command);
  return job;
}

std::vector<std::string> to_words(const JobOptions& options) {
  std::vector<std::string> words{options.file};
  if (!options.profile.empty()) words.insert(words.end(), {"--profile", options.profile});
  if (!options.part.empty()) words.insert(words.end(), {"--part", options.part});
  for (const std::string& override : options.overrides) words.insert(words.end(), {"--set", override});
  return words;
}

}  // namespace shardmill::cli
