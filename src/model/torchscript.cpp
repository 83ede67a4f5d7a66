// TorchScript, frozen, with channels last where it has convolutions, and its linear layers packed.
#include <optional>
#include <utility>

#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include "job/error.hpp"
#include "model/error_text.hpp"
#include "model/loaders.hpp"
#include "model/outputs.hpp"
#include "model/packed_linear.hpp"
#include "model/script.hpp"

namespace shardmill::model {

namespace {

using torch::jit::Module;

at::ScalarType type_of(job::Precision precision) {
  switch (precision) {
    case job::Precision::bfloat16:
      return at::kBFloat16;
    case job::Precision::float16:
      return at::kHalf;
    case job::Precision::float32:
      return at::kFloat;
  }
  return at::kFloat;
}

// Module::to(dtype) would convert integer buffers too, indices and counts among them.
void convert_floating(const Module& module, at::ScalarType type) {
  const auto convert = [type](at::Tensor tensor) {
    if (tensor.is_floating_point() && tensor.scalar_type() != type) tensor.set_data(tensor.to(type));
  };
  for (const at::Tensor& parameter : module.parameters()) convert(parameter);
  for (const at::Tensor& buffer : module.buffers()) convert(buffer);
}

bool has_images(const Module& module) {
  for (const at::Tensor& parameter : module.parameters())
    if (parameter.dim() == 4) return true;
  return false;
}

Module with_channels_last(const Module& module) {
  const Module copy = module.clone();
  for (at::Tensor parameter : copy.parameters())
    if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
  return copy;
}

// Freezing makes parameters constants and folds batch normalization into convolutions. Some modules cannot be frozen
// (they change their attributes); they run as they are.
Module frozen(const Module& module) {
  try {
    Module fast = torch::jit::freeze(module);
    pack_linear_layers(fast);
    return fast;
  } catch (const std::exception&) {
    return module;
  }
}

class TorchScript : public Model {
 public:
  TorchScript(Module module, const job::Model& spec, at::Device device)
      : Model(device), path_(spec.path.string()), type_(type_of(spec.precision)) {
    module.eval();
    const c10::InferenceMode no_inference_tensors(false);
    const at::NoGradGuard no_grad;
    convert_floating(module, type_);
    if (has_images(module)) {
      channels_last_ = frozen(with_channels_last(module));
      plain_ = std::move(module);  // frozen if it is needed, which it mostly is not
    } else {
      plain_ = frozen(module);
      plain_is_frozen_ = true;
    }
  }

  std::vector<NamedTensor> forward(const std::vector<at::Tensor>& inputs) override {
    const c10::InferenceMode inference;
    try {
      return name_outputs(run(inputs));
    } catch (const Error& error) {
      throw ModelError("model " + path_ + ": " + error.what());
    } catch (const std::exception& error) {
      throw ModelError(forward_failed(path_, inputs, error));
    }
  }

 private:
  // Channels last is faster, but a model that calls view() behind a convolution fails with it. So the first batches
  // decide, by whether it runs, not by what comes out: every rank and every run decides alike. A batch that fails
  // either way decides nothing.
  c10::IValue run(const std::vector<at::Tensor>& inputs) {
    if (!channels_last_) return call(*plain_, inputs, at::MemoryFormat::Contiguous);
    try {
      auto result = call(*channels_last_, inputs, at::MemoryFormat::ChannelsLast);
      plain_.reset();
      return result;
    } catch (const std::exception&) {
      if (!plain_) throw;
    }
    if (!std::exchange(plain_is_frozen_, true)) {
      const c10::InferenceMode no_inference_tensors(false);
      const at::NoGradGuard no_grad;
      plain_ = frozen(*plain_);
    }
    auto result = call(*plain_, inputs, at::MemoryFormat::Contiguous);
    channels_last_.reset();
    return result;
  }

  c10::IValue call(Module& module, const std::vector<at::Tensor>& inputs, at::MemoryFormat images) {
    std::vector<c10::IValue> arguments;
    arguments.reserve(inputs.size());
    for (const at::Tensor& input : inputs) {
      const at::Tensor typed = input.is_floating_point() ? input.to(type_) : input;
      arguments.emplace_back(typed.contiguous(typed.dim() == 4 ? images : at::MemoryFormat::Contiguous));
    }
    return module.forward(std::move(arguments));
  }

  std::string path_;
  at::ScalarType type_;
  std::optional<Module> plain_;
  bool plain_is_frozen_ = false;
  std::optional<Module> channels_last_;
};

}  // namespace

std::unique_ptr<Model> make_torchscript(Module module, const job::Model& spec, at::Device device) {
  return std::make_unique<TorchScript>(std::move(module), spec, device);
}

std::unique_ptr<Model> load_torchscript(const job::Model& spec, at::Device device) {
  try {
    return make_torchscript(torch::jit::load(spec.path.string(), device), spec, device);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw ModelError("model " + spec.path.string() + " cannot be loaded as TorchScript: " + useful_line(error) +
                     "; save it again with torch.jit.script(model).save(...)");
  }
}

}  // namespace shardmill::model
