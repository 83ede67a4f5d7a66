#include "train/weights_file.hpp"

#include <ATen/ops/empty.h>

#include "model/model.hpp"
#include "model/weights.hpp"
#include "store/safetensors.hpp"

namespace shardmill::train {

void load_weights(store::Disk& disk, const std::filesystem::path& path, model::Trainable& network) {
  store::SafetensorsFile file(disk, path);
  std::vector<model::NamedTensor> weights;
  weights.reserve(file.tensors().size());
  for (const store::TensorInfo& info : file.tensors()) {
    const at::Tensor tensor = at::empty(info.shape, model::to_scalar_type(info.dtype));
    file.read(info, tensor.data_ptr());
    weights.push_back({info.name, tensor});
  }
  model::assign_weights(network, std::move(weights), path.string());
}

void save_weights(store::Disk& disk, const std::filesystem::path& path, const model::Trainable& network,
                  std::map<std::string, std::string> metadata) {
  std::vector<at::Tensor> alive;  // copies of those that are not row-major in the CPU's memory
  std::vector<store::TensorBytes> tensors;
  for (const auto* group : {&network.parameters(), &network.buffers()})
    for (const auto& [name, tensor] : *group) {
      alive.push_back(tensor.detach().to(at::kCPU).contiguous());
      tensors.push_back(
          {name, model::from_scalar_type(tensor.scalar_type()), tensor.sizes().vec(), alive.back().data_ptr()});
    }
  metadata.emplace("format", "pt");  // what readers of PyTorch weights look for
  store::write_safetensors(disk, path, tensors, metadata);
}

}  // namespace shardmill::train
