// A training run's checkpoint as a model: its network, built anew, with its weights.
#include <c10/core/InferenceMode.h>

#include "job/error.hpp"
#include "model/checkpoint_network.hpp"
#include "model/checkpoint_weights.hpp"
#include "model/error_text.hpp"
#include "model/loaders.hpp"
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

std::unique_ptr<Model> load_checkpoint(const job::Model& spec, at::Device device) {
  try {
    store::CheckpointFile checkpoint(store::posix_disk(), spec.path);
    auto network = make_zoo(network_of(checkpoint), 0);
    assign_weights(*network, weights_of(checkpoint), spec.path.string());
    network->train(false);
    network->to(device);
    return std::make_unique<NetworkModel>(std::move(network), device);
  } catch (const StoreError& error) {
    throw ModelError(error.what());
  }
}

}  // namespace shardmill::model
