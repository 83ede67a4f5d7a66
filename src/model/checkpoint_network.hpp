// Which network a training run's checkpoint is of. Free of torch.
#pragma once

#include <variant>

#include "job/zoo.hpp"
#include "model/script_source.hpp"
#include "store/checkpoint_file.hpp"

namespace shardmill::model {

using CheckpointNetwork = std::variant<job::Zoo, ScriptSource>;

// Throws StoreError if the checkpoint does not say, or names a network that this version does not know.
CheckpointNetwork network_of(const store::CheckpointFile& checkpoint);

}  // namespace shardmill::model
