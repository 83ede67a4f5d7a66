// A training run's state as a checkpoint holds it (docs/file-formats.md): tensors under their state_dict names, and the
// rest as JSON.
#pragma once

#include <string>
#include <vector>

#include "job/job.hpp"
#include "store/checkpoint_file.hpp"
#include "train/checkpoint_keeper.hpp"
#include "train/worker.hpp"

namespace shardmill::train {

// A copy of the worker's state; in the worker's thread, at a boundary.
Snapshot take_snapshot(const job::Job& job, Worker& worker, bool is_best, bool is_final);

// Puts a checkpoint's state into the worker, which then has it as begin_with() says. Throws StoreError if it is of
// another network or optimizer.
void restore(store::CheckpointFile& checkpoint, const job::Job& job, Worker& worker);

// Model parameters and buffers only, of a checkpoint or a safetensors file (training.init_from).
void load_initial_weights(const job::Job& job, model::Trainable& network);

}  // namespace shardmill::train
