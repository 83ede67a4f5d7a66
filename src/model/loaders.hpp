// One loader a format. Each throws ModelError.
#pragma once

#include <memory>

#include "model/model.hpp"

namespace shardmill::model {

std::unique_ptr<Model> load_torchscript(const job::Model& spec, at::Device device);
std::unique_ptr<Model> load_exported(const job::Model& spec, at::Device device);
std::unique_ptr<Model> load_compiled(const job::Model& spec, at::Device device);
std::unique_ptr<Model> load_checkpoint(const job::Model& spec, at::Device device);

// Where a program runs that was made for one kind of device ("cpu", "cuda", from its file): on `device`, or, if the job
// leaves the choice to us, on the CPU that it was made for. Throws ModelError if the job asks for the other kind.
at::Device device_for(const job::Model& spec, at::Device device, const std::string& made_for);

// The name of the model in its file: "model", or the only one, or the first. Throws ModelError if there is none.
std::string pick_name(const job::Model& spec, const std::vector<std::string>& names);

}  // namespace shardmill::model
