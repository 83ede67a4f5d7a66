#include "job/paths.hpp"

#include <algorithm>
#include <system_error>

#include <unistd.h>

#include "job/text.hpp"

namespace shardmill::job {
namespace {

namespace fs = std::filesystem;

fs::path current_folder() {
  std::error_code error;
  const fs::path current = fs::current_path(error);
  return error ? fs::path("/") : current;
}

fs::path folder_of(const fs::path& job_file) { return (current_folder() / job_file).lexically_normal().parent_path(); }

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// In the order in which they are tried.
std::vector<fs::path> candidates(const fs::path& job_file) {
  std::vector<fs::path> folders{current_folder()};
  for (fs::path folder = folder_of(job_file);; folder = folder.parent_path()) {
    if (std::find(folders.begin(), folders.end(), folder) == folders.end()) folders.push_back(folder);
    if (folder == folder.parent_path()) return folders;
  }
}

class FileCheck {
 public:
  FileCheck(const Job& job, const fs::path& job_file, bool project_fixed, const fs::path& later,
            Diagnostics& diagnostics)
      : job_(job), later_(later), diagnostics_(diagnostics) {
    if (project_fixed) {
      looked_in_ = job.project.string();
      return;
    }
    const fs::path here = current_folder();
    const fs::path folder = folder_of(job_file);
    looked_in_ = here.string();
    if (folder != here) looked_in_ += ", " + folder.string();
    looked_in_ += " and the folders above the job file";
  }

  // Makes the path absolute and reports what keeps it from being read.
  void check(const std::string& key, fs::path& path) {
    if (path.empty()) return;
    const fs::path written = path;
    path = (job_.project / written).lexically_normal();
    const auto report = [&](const std::string& what) { diagnostics_.add(job_.where(key), key + ": " + what); };
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (status.type() == fs::file_type::not_found) {
      if (comes_later(path)) return;
      std::string what = "no such file: " + written.string();
      if (written.is_relative()) what += " (looked in " + looked_in_ + ")";
      if (written.string()[0] == '~') what += "; for the home folder, write ${HOME}";
      return report(what);
    }
    if (status.type() == fs::file_type::none)
      return report("cannot be read: " + path.string() + ": " + error.message());
    if (fs::is_directory(status)) return report("is a folder, not a file: " + path.string());
    if (!fs::is_regular_file(status)) return report("is not a regular file: " + path.string());
    if (access(path.c_str(), R_OK) != 0) report("cannot be read; check the permissions of " + path.string());
  }

  void check_output(fs::path& path) {
    path = (job_.project / path).lexically_normal();
    const auto report = [&](const std::string& what) { diagnostics_.add(job_.where("output"), "output: " + what); };
    std::error_code error;
    if (!path.has_filename() || fs::is_directory(path, error))
      return report("is a folder, not a file: " + path.string());
    for (const fs::path& input : {job_.model.path, job_.dataset.path}) {
      if (path == input || fs::equivalent(path, input, error)) {
        report("would overwrite what the job reads: " + path.string());
      }
    }
  }

 private:
  bool comes_later(const fs::path& path) const {
    if (later_.empty()) return false;
    std::error_code error;
    const fs::path below = fs::weakly_canonical(path, error).lexically_relative(later_);
    return !below.empty() && *below.begin() != "..";
  }

  const Job& job_;
  const fs::path& later_;
  Diagnostics& diagnostics_;
  std::string looked_in_;
};

}  // namespace

fs::path find_project(const fs::path& job_file, const std::vector<fs::path>& needed) {
  const std::vector<fs::path> folders = candidates(job_file);
  const auto has = [](const fs::path& folder, const fs::path& path) {
    return path.is_relative() && is_there(folder / path);
  };
  for (const fs::path& folder : folders) {
    const auto found = [&](const fs::path& path) { return path.is_absolute() || has(folder, path); };
    if (std::all_of(needed.begin(), needed.end(), found)) return folder;
  }
  for (const fs::path& folder : folders) {
    if (std::any_of(needed.begin(), needed.end(), [&](const fs::path& path) { return has(folder, path); }))
      return folder;
  }
  return folders.front();
}

void resolve_paths(Job& job, const fs::path& job_file, const fs::path& later, Diagnostics& diagnostics) {
  const bool project_fixed = !job.project.empty();
  if (project_fixed) {
    std::error_code error;
    if (!job.project.is_absolute() || (later != "/" && !fs::is_directory(job.project, error))) {
      diagnostics.add(job.where("project"),
                      "project must be the absolute path of a folder, not " + quote(job.project.string()));
      return;
    }
    job.project = job.project.lexically_normal();
  } else {
    std::vector<fs::path> needed;
    for (const fs::path& path : {job.model.path, job.dataset.path}) {
      if (!path.empty()) needed.push_back(path);
    }
    for (const ServedModel& served : job.serve.models) needed.push_back(served.model.path);
    if (job.serve.idle_job) needed.push_back(*job.serve.idle_job);
    job.project = find_project(job_file, needed);
  }
  FileCheck files(job, job_file, project_fixed, later, diagnostics);
  files.check("model.path", job.model.path);
  // best.h5 leads to another file when a better one is there: the job means the one of now.
  if (job.model.format == ModelFormat::checkpoint && !job.model.path.empty()) {
    std::error_code error;
    const fs::path leads_to = fs::canonical(job.model.path, error);
    if (!error) job.model.path = leads_to;
  }
  files.check("dataset.path", job.dataset.path);
  for (ServedModel& served : job.serve.models) files.check(served.key + "model.path", served.model.path);
  if (job.serve.tls) {
    files.check("serve.tls.certificate", job.serve.tls->certificate);
    files.check("serve.tls.key", job.serve.tls->key);
  }
  if (job.serve.tokens_file) files.check("serve.auth.tokens_file", *job.serve.tokens_file);
  if (job.serve.idle_job) files.check("idle_job", *job.serve.idle_job);
  if (job.train.init_from) files.check("training.init_from", *job.train.init_from);
  if (job.output) files.check_output(*job.output);
}

std::string shown_path(const fs::path& file) {
  const fs::path relative = file.lexically_relative(current_folder());
  return relative.empty() || *relative.begin() == ".." ? file.string() : relative.string();
}

}  // namespace shardmill::job
