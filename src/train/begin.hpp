// How a training run begins, or goes on.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "job/job.hpp"
#include "model/trainable.hpp"
#include "train/data.hpp"
#include "train/ledger.hpp"
#include "train/worker.hpp"

namespace shardmill::train {

// The device that the job's model is trained on by this process, which has this number on its machine. From then on an
// operator of CUDA without a deterministic form is an error. Throws ModelError.
at::Device training_device(const job::Job& job, int local_rank);
// The job's network on the device, with its first weights; those of training.init_from only if `initial`. Throws
// ModelError, StoreError.
std::unique_ptr<model::Trainable> make_network(const job::Job& job, at::Device device, bool initial);

// Gives the worker its state: that of the newest checkpoint in the folder that checks out, or the first one. say: what
// the user should know. Throws StoreError.
void begin(const std::optional<std::filesystem::path>& checkpoints, const job::Job& job, Worker& worker,
           const std::function<void(const std::string&)>& say);

// The journal's first line: what the run is. Throws DataError.
Opened opened_entry(const job::Job& job, const TrainingData& data, Worker& worker);

}  // namespace shardmill::train
