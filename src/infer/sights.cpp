#include "infer/sights.hpp"

#include <sys/stat.h>

#include "dataset/fingerprint.hpp"
#include "infer/run_files.hpp"
#include "job/error.hpp"

namespace shardmill::infer {
namespace {

// Of results that lie outside of the run's folder, for which the token there does not speak. They are written to all
// the time, so nothing in them can be compared; but file systems that are shared number a file alike everywhere.
std::string place_of(const job::Job& job, const store::RunFolder& folder) {
  struct ::stat found {};
  if (!job.output || ::stat(results_path(job, folder).c_str(), &found) != 0) return "";
  return std::to_string(found.st_ino) + ":" + std::to_string(found.st_size);
}

std::string sample_or_none(const std::filesystem::path& path) {
  try {
    return dataset::sample_file(path);
  } catch (const DataError&) {
    return "none";
  }
}

}  // namespace

comm::Welcome look_at(const job::Job& job, const store::RunFolder& folder) {
  comm::Welcome welcome;
  welcome.run_dir = folder.path.string();
  welcome.token = store::leave_token(folder);
  welcome.results = place_of(job, folder);
  welcome.dataset = dataset::sample_file(job.dataset.path);
  welcome.model = dataset::sample_file(job.model.path);
  return welcome;
}

std::optional<std::string> unseen(const comm::Welcome& welcome, const job::Job& job) {
  const store::RunFolder folder{welcome.run_dir};
  if (store::token_of(folder) != welcome.token) return "the run folder " + welcome.run_dir;
  if (place_of(job, folder) != welcome.results) return "the results file " + results_path(job, folder).string();
  if (sample_or_none(job.dataset.path) != welcome.dataset) return "the dataset " + job.dataset.path.string();
  if (sample_or_none(job.model.path) != welcome.model) return "the model " + job.model.path.string();
  return std::nullopt;
}

}  // namespace shardmill::infer
