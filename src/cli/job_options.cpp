#include "cli/job_options.hpp"

#include "cli/places.hpp"
#include "infer/check.hpp"
#include "job/load.hpp"

namespace shardmill::cli {

void add_job_options(CLI::App& command, JobOptions& options) {
  command.add_option("job", options.file, "The job file (YAML)")->required();
  command.add_option("--profile", options.profile, "A profile from configs/, or a file: defaults under the job's keys");
  command.add_option("--set", options.overrides, "KEY.PATH=VALUE: wins over the job file (may be repeated)")
      ->allow_extra_args(false);
}

job::Job load(const JobOptions& options) {
  job::LoadOptions load_options;
  if (!options.profile.empty()) load_options.profile = options.profile;
  load_options.overrides = options.overrides;
  load_options.config_dir = config_dir();
  return job::load_job(options.file, load_options);
}

job::Job load_and_check(const JobOptions& options) {
  job::Job job = load(options);
  job::Diagnostics diagnostics;
  infer::check(job, diagnostics);
  diagnostics.throw_if_any();
  return job;
}

std::vector<std::string> to_words(const JobOptions& options) {
  std::vector<std::string> words{options.file};
  if (!options.profile.empty()) words.insert(words.end(), {"--profile", options.profile});
  for (const std::string& override : options.overrides) words.insert(words.end(), {"--set", override});
  return words;
}

}  // namespace shardmill::cli
