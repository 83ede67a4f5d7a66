// A run in parts: RUN/job.yaml and RUN/results.h5 as of any run, and RUN/parts/2-of-3/, a run folder for each part with
// its own job.yaml, journal, logs and summary. All parts write into RUN/results.h5; RUN/journal comes when they are
// brought together.
#pragma once

#include <optional>
#include <string>

#include "job/part.hpp"
#include "store/run_folder.hpp"

namespace shardmill::store {

RunFolder part_folder(const RunFolder& whole, const job::Part& part);
// The run that this folder's is a part of.
RunFolder whole_of(const RunFolder& part);
// How many parts the run is in; none if it is not in parts. Throws StoreError if it is in parts of two numbers.
std::optional<int> parts_of(const RunFolder& run);

// Makes the run's folder with the job in it, to be filled by so many parts, or joins the one that another part has made
// or is making. Throws StoreError if it holds a run of another job, one that is not in parts, or in another number.
RunFolder join_run(Disk& disk, const std::filesystem::path& path, const std::string& resolved_yaml, int parts);

}  // namespace shardmill::store
