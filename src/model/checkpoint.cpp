// A training run's checkpoint as a model: its network, built anew, with its weights.
#include <c10/core/InferenceMode.h>

#include "job/error.hpp"
#include "model/checkpoint_network.hpp"
#include "model/checkpoint_weights.hpp"
#include "model/error_text.hpp"
#include "model/loaders.hpp"
#include "model/script.hpp"
#include "model/trainable.hpp"
#include "model/weights.hpp"

namespace shardmill::model {
namespace {

class NetworkModel : public Model {
 public:
  NetworkModel(std::unique_ptr<Trainable> network, at::Device device) : Model(device), network_(std::move(network)) {}

  std::vector<NamedTensor> forward(const std::vector<at::Tensor>& inputs) override {
    const c10::InferenceMode inference;
    return {{"0", network_->forward(inputs)}};
  }

 private:
  std::unique_ptr<Trainable> network_;
};

}  // namespace

std::vector<NamedTensor> weights_of(store::CheckpointFile& checkpoint) {
  const std::string group = "model/";
  std::vector<NamedTensor> weights;
  for (const auto& entry : checkpoint.tensors()) {
    if (entry.name.rfind(group, 0) != 0) continue;
    at::Tensor tensor = at::empty(entry.shape, to_scalar_type(entry.dtype));
    checkpoint.read(entry, tensor.mutable_data_ptr());
    weights.push_back({entry.name.substr(group.size()), tensor});
  }
  return weights;
}

namespace {

// As fast as the module would be that PyTorch saved with these weights.
std::unique_ptr<Model> load_script(const ScriptSource& script, store::CheckpointFile& checkpoint,
                                   const job::Model& spec, at::Device device) {
  const std::string from = "checkpoint " + checkpoint.path().string();
  if (ScriptSource::of(script.path).checksum != script.checksum)
    throw ModelError(from + " was trained with another " + script.path.string() +
                     " than the one that is there now; put it back as it was");
  const c10::InferenceMode no_inference_tensors(false);
  torch::jit::Module module = trained_script(script.path, weights_of(checkpoint), from);
  try {
    module.to(device);
    return make_torchscript(std::move(module), spec, device);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw ModelError(from + " cannot be made a model: " + useful_line(error));
  }
}

}  // namespace

std::unique_ptr<Model> load_checkpoint(const job::Model& spec, at::Device device) {
  try {
    store::CheckpointFile checkpoint(store::posix_disk(), spec.path);
    const CheckpointNetwork of = network_of(checkpoint);
    if (const auto* script = std::get_if<ScriptSource>(&of)) return load_script(*script, checkpoint, spec, device);
    auto network = make_zoo(std::get<job::Zoo>(of), 0);
    assign_weights(*network, weights_of(checkpoint), spec.path.string());
    network->train(false);
    network->to(device);
    return std::make_unique<NetworkModel>(std::move(network), device);
  } catch (const StoreError& error) {
    throw ModelError(error.what());
  }
}

}  // namespace shardmill::model
