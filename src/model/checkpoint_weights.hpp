#pragma once

#include <vector>

#include "model/named_tensor.hpp"
#include "store/checkpoint_file.hpp"

namespace shardmill::model {

// The parameters and buffers in a checkpoint, on the CPU, under their state_dict names. Throws StoreError.
std::vector<NamedTensor> weights_of(store::CheckpointFile& checkpoint);

}  // namespace shardmill::model
