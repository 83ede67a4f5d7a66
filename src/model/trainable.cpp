#include "model/trainable.hpp"

#include <ATen/core/grad_mode.h>

#include "job/error.hpp"
#include "model/error_text.hpp"

namespace shardmill::model {

at::Tensor Trainable::forward(const std::vector<at::Tensor>& inputs) {
  try {
    return run(inputs);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw ModelError(forward_failed(name_, inputs, error));
  }
}

void Trainable::to(at::Device device) {
  const at::NoGradGuard no_grad;
  for (const auto* tensors : {&parameters_, &buffers_})
    for (const auto& [name, tensor] : *tensors) tensor.set_data(tensor.detach().to(device));
}

}  // namespace shardmill::model
