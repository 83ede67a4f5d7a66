// Weights from elsewhere into a network.
#pragma once

#include <string>
#include <vector>

#include "model/trainable.hpp"

namespace shardmill::model {

// Copies `weights` (names of a state_dict, any floating type, on any device) into the network's parameters and buffers,
// in place. Every tensor of the network must be there once and no other; what differs only in how it was saved is put
// right:
//   - prefixes of wrappers that all names have: "module.", "_orig_mod.", "model.";
//   - GPT-2 as Hugging Face saves it: without "transformer.", its linear weights as [inputs, outputs], and with masks
//     among the weights ("h.0.attn.bias");
//   - tied weights under either name or under both, if both are equal;
//   - no "num_batches_tracked", as old files have it: those then stay as they are.
// Throws ModelError, which names `source` and the first few of all that does not fit; the network is then unchanged.
void assign_weights(Trainable& network, std::vector<NamedTensor> weights, const std::string& source);

}  // namespace shardmill::model
