// TorchScript in training mode.
#include <map>
#include <tuple>

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include "job/error.hpp"
#include "model/error_text.hpp"
#include "model/outputs.hpp"
#include "model/script.hpp"
#include "model/trainable.hpp"
#include "model/weights.hpp"

namespace shardmill::model {

namespace {

using torch::jit::Module;

// Two tensors that are the same memory in the same shape.
auto place(const at::Tensor& tensor) {
  return std::make_tuple(tensor.storage().unsafeGetStorageImpl(), tensor.storage_offset(), tensor.sizes().vec(),
                         tensor.strides().vec());
}

class TrainableScript : public Trainable {
 public:
  explicit TrainableScript(const std::string& path)
      : Trainable(path), module_(torch::jit::load(path, at::Device(at::kCPU))) {
    collect(module_, "");
    bool trains = false;
    for (const auto& [name, tensor] : parameters_) trains = trains || tensor.requires_grad();
    if (!trains)
      throw ModelError(
          "model " + path +
          " has no parameters that can be trained; save it with torch.jit.script(model).save(...), without "
          "torch.jit.freeze and without requires_grad_(False)");
    for (const auto& [name, tensor] : parameters_)
      if (tensor.requires_grad() && tensor.scalar_type() != at::kFloat)
        throw ModelError("model " + path + " has the parameter " + name + " of type " +
                         c10::toString(tensor.scalar_type()) + ", and training takes float32; save it after .float()");
    module_.train(true);
  }

  void note_source() { source_ = ScriptSource::of(name()); }

  const Module& module() const { return module_; }

  void train(bool on) override { module_.train(on); }

 protected:
  at::Tensor run(const std::vector<at::Tensor>& inputs) override {
    std::vector<NamedTensor> outputs = name_outputs(module_.forward({inputs.begin(), inputs.end()}));
    if (outputs.empty()) throw ModelError("model " + name() + " returns no tensor");
    return outputs.front().tensor;
  }

 private:
  // Tied weights come out of a file as two tensors on one memory. They are made one tensor again, or the tie would
  // break as soon as one of them is given other memory.
  void collect(const Module& module, const std::string& prefix) {
    for (const auto& item : module.named_parameters(/*recurse=*/false)) {
      const std::string name = prefix + item.name;
      const auto [first, is_new] = seen_.try_emplace(place(item.value), NamedTensor{name, item.value});
      if (is_new) {
        parameters_.push_back({name, item.value});
      } else {
        Module(module).setattr(item.name, first->second.tensor);
        aliases_[name] = first->second.name;
      }
    }
    for (const auto& item : module.named_buffers(/*recurse=*/false))
      buffers_.push_back({prefix + item.name, item.value});
    for (const auto& child : module.named_children()) collect(child.value, prefix + child.name + ".");
  }

  Module module_;
  std::map<decltype(place(at::Tensor())), NamedTensor> seen_;
};

}  // namespace

namespace {

std::unique_ptr<TrainableScript> load(const std::filesystem::path& path) {
  try {
    return std::make_unique<TrainableScript>(path.string());
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw ModelError("model " + path.string() + " cannot be loaded as TorchScript: " + useful_line(error) +
                     "; save it again with torch.jit.script(model).save(...)");
  }
}

}  // namespace

std::unique_ptr<Trainable> load_trainable(const std::filesystem::path& path) {
  auto network = load(path);
  network->note_source();
  return network;
}

Module trained_script(const std::filesystem::path& path, std::vector<NamedTensor> weights, const std::string& source) {
  const auto network = load(path);
  assign_weights(*network, std::move(weights), source);
  return network->module();
}

}  // namespace shardmill::model
