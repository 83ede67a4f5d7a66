// Which network a training run's checkpoint is of. Free of torch.
#pragma once

#include "job/zoo.hpp"
#include "store/checkpoint_file.hpp"

namespace shardmill::model {

// Throws StoreError if the checkpoint does not say, as those of TorchScript modules, or of a network that this version
// does not know.
job::Zoo network_of(const store::CheckpointFile& checkpoint);

}  // namespace shardmill::model
