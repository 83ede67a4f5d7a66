// A network's weights as a safetensors file, for other programs and from them.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "model/trainable.hpp"
#include "store/disk.hpp"

namespace shardmill::train {

// Parameters and buffers from the file; see model::assign_weights for what may differ. Throws StoreError if the file
// cannot be read or is broken, ModelError if it does not fit; the network is then unchanged.
void load_weights(store::Disk& disk, const std::filesystem::path& path, model::Trainable& network);

// Parameters and buffers under their state_dict names, tied weights once. The folder must exist. Throws StoreError; the
// file is then the old one or none.
void save_weights(store::Disk& disk, const std::filesystem::path& path, const model::Trainable& network,
                  std::map<std::string, std::string> metadata = {});

}  // namespace shardmill::train
