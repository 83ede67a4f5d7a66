// A network that can be trained, whether built in or loaded from a TorchScript file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "job/zoo.hpp"
#include "model/named_tensor.hpp"
#include "model/script_source.hpp"

namespace shardmill::model {

// One thread at a time, the backward pass included. Parameters and buffers are float32 (num_batches_tracked and such:
// int64). All that is random draws from the default generator of the network's device: seeding it before a forward pass
// fixes every bit of the outputs, the gradients and the buffers, at a fixed number of threads.
class Trainable {
 public:
  virtual ~Trainable() = default;
  Trainable(const Trainable&) = delete;
  Trainable& operator=(const Trainable&) = delete;

  // inputs: [batch, ...] each, in the order of the job's inputs, on the network's device. The output's graph leads back
  // to the parameters unless gradients are off. In training mode buffers such as BatchNorm's running statistics move
  // on. Throws ModelError with the first useful line of what LibTorch said.
  at::Tensor forward(const std::vector<at::Tensor>& inputs);

  // The live tensors under their state_dict names, in the order in which they were registered, which is nearly that of
  // the forward pass. A tensor that the network uses twice (tied weights) is there once, under its first name.
  // set_data() and mutable_grad() on them are seen by the network, so all of them may become views of one buffer. A
  // parameter with requires_grad() false is frozen: it has no gradient and is not to be updated.
  const std::vector<NamedTensor>& parameters() const { return parameters_; }
  const std::vector<NamedTensor>& buffers() const { return buffers_; }
  // Other names of tied weights, as a state_dict may have them in addition or instead: alias -> name in parameters().
  const std::map<std::string, std::string>& aliases() const { return aliases_; }

  // Training mode (as made) or evaluation: dropout, and whether BatchNorm uses the batch's statistics.
  virtual void train(bool on) = 0;
  // Moves parameters and buffers, by set_data(). To be called before they become views of anything.
  void to(at::Device device);
  // For messages: "gpt", or the file's path.
  const std::string& name() const { return name_; }
  // What it was loaded from; none for a built-in network.
  const std::optional<ScriptSource>& source() const { return source_; }

 protected:
  explicit Trainable(std::string name) : name_(std::move(name)) {}
  virtual at::Tensor run(const std::vector<at::Tensor>& inputs) = 0;

  std::vector<NamedTensor> parameters_;
  std::vector<NamedTensor> buffers_;
  std::map<std::string, std::string> aliases_;
  std::optional<ScriptSource> source_;

 private:
  std::string name_;
};

// Builds the network on the CPU in training mode. Its parameters are a function of `spec` and `seed` alone, drawn from
// a generator of its own by the distributions that PyTorch's modules use; docs/networks.md has names and structure.
// Throws ModelError for sizes that do not fit together (width and heads).
std::unique_ptr<Trainable> make_zoo(const job::Zoo& spec, std::uint64_t seed);

// A TorchScript file on the CPU in training mode; its forward returns a tensor, or a tuple or dict whose first tensor
// counts. Traced modules keep the mode in which they were traced. Throws ModelError if the file cannot be loaded or has
// no parameters left to train (frozen modules).
std::unique_ptr<Trainable> load_trainable(const std::filesystem::path& path);

}  // namespace shardmill::model
