#include "infer/check.hpp"

#include <filesystem>

#include <unistd.h>

#include "dataset/record_source.hpp"
#include "model/sniff.hpp"

namespace shardmill::infer {

void check(const job::Job& job, job::Diagnostics& diagnostics) {
  std::error_code error;
  // load_job has found it, or knows that a job before this one is to make it.
  if (std::filesystem::exists(job.dataset.path, error)) dataset::check(job, diagnostics);
  model::check(job, diagnostics);
  if (!job.output) return;
  const std::filesystem::path folder = job.output->parent_path();
  if (std::filesystem::is_directory(*job.output, error)) {
    diagnostics.add(job.where("output"), "output: " + job.output->string() + " is a folder; name a file in it");
  } else if (std::filesystem::exists(*job.output, error) && !job.part) {  // other parts may have made it
    diagnostics.add(job.where("output"),
                    "output: " + job.output->string() + " is there already; move it away or name another file");
  } else if (!std::filesystem::is_directory(folder, error)) {
    diagnostics.add(job.where("output"), "output: there is no folder " + folder.string() + "; make it first");
  } else if (::access(folder.c_str(), W_OK) != 0) {
    diagnostics.add(job.where("output"), "output: " + folder.string() + " cannot be written to; choose another place");
  }
}

}  // namespace shardmill::infer
