// The layers of the built-in networks: ATen's functions with the parameters they use, initialised and named as those of
// torch.nn. Not torch::nn itself: its modules draw their first values from the one generator of the process, and a file
// that includes them compiles four times as long.
#pragma once

#include <cstdint>
#include <string>

#include <ATen/core/Generator.h>

#include "model/trainable.hpp"

namespace shardmill::model::zoo {

// A built-in network: holds what its layers register.
class Network : public Trainable {
 public:
  Network(std::string name, std::uint64_t seed);
  void train(bool on) override { training_ = on; }
  bool training() const { return training_; }

 protected:
  friend class Scope;
  // The only input, as [batch, ...]. Throws ModelError.
  const at::Tensor& only_input(const std::vector<at::Tensor>& inputs) const;
  // The only input as int64 tokens [batch, length], with length <= longest and, where that costs no wait for a GPU,
  // 0 <= token < vocabulary. Throws ModelError.
  at::Tensor tokens(const std::vector<at::Tensor>& inputs, std::int64_t vocabulary, std::int64_t longest) const;
  // Throws ModelError unless `width` can be split among `heads`.
  void check_heads(std::int64_t width, std::int64_t heads) const;

 private:
  bool training_ = true;
  at::Generator generator_;
};

// Where layers register their tensors: a network and a prefix of their names.
class Scope {
 public:
  explicit Scope(Network& network, std::string prefix = "") : network_(network), prefix_(std::move(prefix)) {}
  Scope operator[](const std::string& name) const { return Scope(network_, prefix_ + name + "."); }
  Scope operator[](std::size_t index) const { return (*this)[std::to_string(index)]; }

  at::Tensor uniform(const std::string& name, at::IntArrayRef shape, double bound) const;  // in [-bound, bound)
  at::Tensor normal(const std::string& name, at::IntArrayRef shape, double deviation) const;
  at::Tensor constant(const std::string& name, at::IntArrayRef shape, double value) const;
  at::Tensor buffer(const std::string& name, const at::Tensor& value) const;
  const Network& network() const { return network_; }

 private:
  at::Tensor parameter(const std::string& name, at::Tensor value) const;

  Network& network_;
  std::string prefix_;
};

struct Linear {
  at::Tensor weight;  // [outputs, inputs]
  at::Tensor bias;    // [outputs], or undefined

  Linear() = default;
  Linear(const Scope& scope, std::int64_t inputs, std::int64_t outputs);  // torch.nn.Linear's initialisation
  // weight: normal; bias: 0
  Linear(const Scope& scope, std::int64_t inputs, std::int64_t outputs, bool with_bias, double deviation);
  at::Tensor operator()(const at::Tensor& x) const;
};

// Without bias, as a BatchNorm follows.
struct Conv2d {
  enum class Init { fan_in, fan_out };  // torch.nn.Conv2d's own, and torchvision's: kaiming_normal_, fan_out, relu
  at::Tensor weight;                    // [outputs, inputs, kernel, kernel]
  std::int64_t stride;
  std::int64_t padding;

  Conv2d(const Scope& scope, std::int64_t inputs, std::int64_t outputs, std::int64_t kernel, std::int64_t stride,
         Init init);  // padding: kernel / 2
  at::Tensor operator()(const at::Tensor& x) const;
};

struct BatchNorm2d {
  at::Tensor weight;
  at::Tensor bias;
  at::Tensor running_mean;
  at::Tensor running_var;
  at::Tensor num_batches_tracked;
  const Network* network;

  BatchNorm2d(const Scope& scope, std::int64_t channels);
  at::Tensor operator()(const at::Tensor& x) const;
};

struct LayerNorm {
  at::Tensor weight;
  at::Tensor bias;  // or undefined

  LayerNorm(const Scope& scope, std::int64_t width, bool with_bias = true);
  at::Tensor operator()(const at::Tensor& x) const;  // over the last axis
};

// [batch, length, 3 * width] queries, keys and values side by side -> [batch, length, width].
// mask: bool, broadcast to [batch, heads, length, length], true takes part; or undefined.
at::Tensor attention(const at::Tensor& qkv, std::int64_t heads, const at::Tensor& mask, double dropout, bool causal);

}  // namespace shardmill::model::zoo
