// Whether a rank sees the run's files: its folder, its results, the dataset and the model. On a cluster without a
// shared file system only the ranks on one node do, and others may find other files under the same names.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "comm/messages.hpp"
#include "job/job.hpp"
#include "store/run_folder.hpp"

namespace shardmill::infer {

// What the coordinator sees, into the Welcome. Leaves a token in the run's folder. Throws DataError.
comm::Welcome look_at(const job::Job& job, const store::RunFolder& folder);

// What this rank does not see of it, as the end of a sentence ("the dataset data/x.h5"); none if all looks the same.
// Never throws.
std::optional<std::string> unseen(const comm::Welcome& welcome, const job::Job& job);

}  // namespace shardmill::infer
