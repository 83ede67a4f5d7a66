// layers.0, layers.1, ...: linear layers, with the activation and then dropout between them.
#include <ATen/ops/dropout.h>
#include <ATen/ops/gelu.h>

#include "job/error.hpp"
#include "model/error_text.hpp"
#include "model/zoo/layers.hpp"
#include "model/zoo/networks.hpp"

namespace shardmill::model::zoo {

namespace {

at::Tensor activate(const at::Tensor& x, job::Activation activation) {
  switch (activation) {
    case job::Activation::relu:
      return x.relu();
    case job::Activation::gelu:
      return at::gelu(x);
    case job::Activation::tanh:
      return x.tanh();
  }
  return x;
}

class Mlp : public Network {
 public:
  Mlp(job::Mlp spec, std::uint64_t seed) : Network("mlp", seed), spec_(std::move(spec)) {
    const Scope scope = Scope(*this)["layers"];
    std::int64_t width = spec_.inputs;
    for (const std::int64_t next : spec_.hidden) {
      layers_.emplace_back(scope[layers_.size()], width, next);
      width = next;
    }
    layers_.emplace_back(scope[layers_.size()], width, spec_.outputs);
  }

 protected:
  at::Tensor run(const std::vector<at::Tensor>& inputs) override {
    const at::Tensor& input = only_input(inputs);
    if (input.dim() < 1 || input.numel() != input.size(0) * spec_.inputs)
      throw ModelError("the network mlp takes " + std::to_string(spec_.inputs) +
                       " values a record (its option inputs), and the job gives it " + describe(inputs));
    at::Tensor x = input.reshape({input.size(0), spec_.inputs});
    for (std::size_t i = 0; i + 1 < layers_.size(); ++i)
      x = at::dropout(activate(layers_[i](x), spec_.activation), spec_.dropout, training());
    return layers_.back()(x);
  }

 private:
  job::Mlp spec_;
  std::vector<Linear> layers_;
};

}  // namespace

std::unique_ptr<Trainable> make(const job::Mlp& spec, std::uint64_t seed) { return std::make_unique<Mlp>(spec, seed); }

}  // namespace shardmill::model::zoo
