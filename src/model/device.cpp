#include <ATen/Context.h>

#include "job/error.hpp"
#include "model/model.hpp"

namespace shardmill::model {

at::Device choose_device(job::Device wanted, int local_rank) {
  if (wanted == job::Device::cpu) return at::kCPU;
  const std::size_t gpus = at::hasCUDA() ? at::getNumGPUs() : 0;
  if (gpus > 0) {
    // More ranks than GPUs share them.
    const auto index = static_cast<std::size_t>(local_rank < 0 ? 0 : local_rank) % gpus;
    return {at::kCUDA, static_cast<c10::DeviceIndex>(index)};
  }
  if (wanted == job::Device::cuda)
    throw ModelError(at::hasCUDA()
                         ? "model.device is cuda, but this machine shows no GPU; set model.device: cpu or auto"
                         : "model.device is cuda, but this shardmill was built without CUDA or finds no "
                           "driver; build it with SHARDMILL_CUDA=ON, or set model.device: cpu or auto");
  return at::kCPU;
}

}  // namespace shardmill::model
