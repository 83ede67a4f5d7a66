// Parts of to_yaml (resolved.hpp).
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "job/job.hpp"

namespace shardmill::job {

// Text in double quotes. Values (not keys) are looked through for ${...} when they are read back.
std::string quoted(const std::string& text, bool is_key = false);
std::string list(const std::vector<std::int64_t>& values);

void write_model(std::ostream& out, const Model& model);
void write_outputs(std::ostream& out, const std::vector<Output>& outputs);
// In an item of a list of inputs.
void write_transforms(std::ostream& out, const std::vector<Transform>& transforms);

void write_train_model(std::ostream& out, const Model& model);
// What is in the dataset section beside the records (it must have been written just before), then training, evaluation
// and checkpoints.
void write_train(std::ostream& out, const Train& train);
// The models of a server, with what goes in and out, and the server itself.
void write_serve(std::ostream& out, const Serve& serve);

}  // namespace shardmill::job
