// The C++ half of check_zoo.py.
//
//   zoo_program step NETWORK FOLDER    FOLDER/first.safetensors: the network as it is made; FOLDER/weights.safetensors:
//                                      further from 0, so that no function looks linear; FOLDER/step.safetensors:
//                                      input, output, gradients (grad.NAME) and buffers (after.NAME) of one step from
//                                      there
//   zoo_program load NETWORK FOLDER    takes FOLDER/theirs.safetensors; FOLDER/loaded.safetensors: its output for the
//                                      input of step
#include <cstdlib>
#include <iostream>
#include <map>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "job/error.hpp"
#include "model/model.hpp"
#include "store/safetensors.hpp"
#include "train/weights_file.hpp"

using namespace shardmill;

namespace {

const std::map<std::string, job::Zoo> networks{
    {"mlp_relu", job::Mlp{12, {16, 8}, 3, job::Activation::relu}},
    {"mlp_gelu", job::Mlp{12, {16}, 3, job::Activation::gelu}},
    {"mlp_tanh", job::Mlp{12, {16}, 3, job::Activation::tanh}},
    {"mlp_linear", job::Mlp{12, {}, 3}},
    {"cnn", job::Cnn{3, {8, 16}, 10}},
    {"resnet18", job::ResNet{18, 3, 1000, job::Stem::imagenet}},
    {"resnet18_cifar", job::ResNet{18, 1, 10, job::Stem::cifar}},
    {"resnet34", job::ResNet{34, 3, 10, job::Stem::imagenet}},
    {"resnet50", job::ResNet{50, 3, 10, job::Stem::imagenet}},
    {"gpt", job::Gpt{60, 16, 3, 4, 32}},
    {"gpt_without_bias", job::Gpt{60, 16, 2, 2, 16, 0, false}},
    {"encoder", job::Encoder{60, 16, 2, 4, 32, 5}},
};

at::Tensor images(at::IntArrayRef shape) { return at::randn(shape); }

at::Tensor input_of(const job::Mlp& spec) { return at::randn({6, spec.inputs}); }
at::Tensor input_of(const job::Cnn& spec) { return images({4, spec.in_channels, 11, 8}); }
at::Tensor input_of(const job::ResNet& spec) {
  const std::int64_t size = spec.stem == job::Stem::imagenet ? 96 : 24;
  return images({4, spec.in_channels, size, size});
}
at::Tensor input_of(const job::Gpt& spec) { return at::randint(spec.vocab_size, {3, spec.block_size}, at::kLong); }
at::Tensor input_of(const job::Encoder& spec) {
  at::Tensor tokens = at::randint(1, spec.vocab_size, {3, 12}, at::kLong);
  tokens[1].slice(0, 7).zero_();
  return tokens;
}

void save(const std::string& path, const std::vector<model::NamedTensor>& tensors) {
  std::vector<store::TensorBytes> bytes;
  for (const auto& [name, tensor] : tensors)
    bytes.push_back({name, model::from_scalar_type(tensor.scalar_type()), tensor.sizes().vec(), tensor.data_ptr()});
  store::write_safetensors(store::posix_disk(), path, bytes, {});
}

at::Tensor input_for(const job::Zoo& spec) {
  at::manual_seed(3);
  return std::visit([](const auto& network) { return input_of(network); }, spec);
}

void step(const job::Zoo& spec, const std::string& folder) {
  const auto network = model::make_zoo(spec, 7);
  train::save_weights(store::posix_disk(), folder + "/first.safetensors", *network);
  {
    const at::NoGradGuard no_grad;
    at::manual_seed(4);
    for (const auto& [name, tensor] : network->parameters()) tensor.add_(at::randn(tensor.sizes()) * 0.1);
  }
  train::save_weights(store::posix_disk(), folder + "/weights.safetensors", *network);
  const at::Tensor input = input_for(spec);
  const at::Tensor output = network->forward({input});
  const at::Tensor probe = at::randn(output.sizes());
  (output * probe).mean().backward();
  std::vector<model::NamedTensor> results{{"input", input}, {"output", output.detach().contiguous()}, {"probe", probe}};
  for (const auto& [name, tensor] : network->parameters())
    results.push_back({"grad." + name, tensor.grad().contiguous()});
  for (const auto& [name, tensor] : network->buffers()) results.push_back({"after." + name, tensor});
  save(folder + "/step.safetensors", results);
}

void load(const job::Zoo& spec, const std::string& folder) {
  const auto network = model::make_zoo(spec, 8);
  train::load_weights(store::posix_disk(), folder + "/theirs.safetensors", *network);
  network->train(false);
  save(folder + "/loaded.safetensors", {{"output", network->forward({input_for(spec)}).detach().contiguous()}});
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 4 || !networks.contains(argv[2])) throw UsageError("zoo_program step|load NETWORK FOLDER");
    model::configure_torch(1);
    (std::string(argv[1]) == "step" ? step : load)(networks.at(argv[2]), argv[3]);
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
