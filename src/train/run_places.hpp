// Where a training run keeps things. Free of torch and MPI.
#pragma once

#include <filesystem>

#include "store/run_folder.hpp"

namespace shardmill::train {

inline std::filesystem::path checkpoints_of(const store::RunFolder& folder) { return folder.path / "checkpoints"; }

}  // namespace shardmill::train
