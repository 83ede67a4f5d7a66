// torchvision's ResNet (v1.5: a bottleneck's stride is in its 3x3 convolution), names and initialisation included. The
// stem "cifar" has conv1 with kernel 3 and stride 1, and no max-pooling.
#include <array>
#include <optional>

#include <ATen/ops/max_pool2d.h>

#include "job/error.hpp"
#include "model/error_text.hpp"
#include "model/zoo/layers.hpp"
#include "model/zoo/networks.hpp"

namespace shardmill::model::zoo {

namespace {

struct ConvNorm {
  Conv2d conv;
  BatchNorm2d bn;

  ConvNorm(const Scope& scope, const std::string& conv_name, const std::string& bn_name, std::int64_t inputs,
           std::int64_t outputs, std::int64_t kernel, std::int64_t stride)
      : conv(scope[conv_name], inputs, outputs, kernel, stride, Conv2d::Init::fan_out), bn(scope[bn_name], outputs) {}
  at::Tensor operator()(const at::Tensor& x) const { return bn(conv(x)); }
};

// Two 3x3 convolutions, or 1x1, 3x3, 1x1 (the bottleneck, four times as wide at its end).
struct ResidualBlock {
  std::vector<ConvNorm> convolutions;
  std::optional<ConvNorm> downsample;

  ResidualBlock(const Scope& scope, std::int64_t inputs, std::int64_t width, std::int64_t stride, bool bottleneck) {
    const std::int64_t outputs = bottleneck ? 4 * width : width;
    if (bottleneck) {
      convolutions.emplace_back(scope, "conv1", "bn1", inputs, width, 1, 1);
      convolutions.emplace_back(scope, "conv2", "bn2", width, width, 3, stride);
      convolutions.emplace_back(scope, "conv3", "bn3", width, outputs, 1, 1);
    } else {
      convolutions.emplace_back(scope, "conv1", "bn1", inputs, width, 3, stride);
      convolutions.emplace_back(scope, "conv2", "bn2", width, outputs, 3, 1);
    }
    if (stride != 1 || inputs != outputs) downsample.emplace(scope["downsample"], "0", "1", inputs, outputs, 1, stride);
  }

  at::Tensor operator()(const at::Tensor& input) const {
    at::Tensor x = input;
    for (std::size_t i = 0; i + 1 < convolutions.size(); ++i) x = convolutions[i](x).relu_();
    x = convolutions.back()(x);
    x += downsample ? (*downsample)(input) : input;
    return x.relu_();
  }
};

std::array<int, 4> blocks_of(int depth) {
  switch (depth) {
    case 18:
      return {2, 2, 2, 2};
    case 34:
    case 50:
      return {3, 4, 6, 3};
    default:
      throw ModelError("there is no resnet" + std::to_string(depth) + "; choose resnet18, resnet34 or resnet50");
  }
}

class ResNet : public Network {
 public:
  ResNet(const job::ResNet& spec, std::uint64_t seed)
      : Network("resnet" + std::to_string(spec.depth), seed),
        spec_(spec),
        stem_(Scope(*this), "conv1", "bn1", spec.in_channels, 64, spec.stem == job::Stem::imagenet ? 7 : 3,
              spec.stem == job::Stem::imagenet ? 2 : 1) {
    const Scope scope(*this);
    const bool bottleneck = spec.depth >= 50;
    const auto counts = blocks_of(spec.depth);
    std::int64_t channels = 64;
    for (std::size_t layer = 0; layer < counts.size(); ++layer) {
      const std::int64_t width = std::int64_t{64} << layer;
      const Scope inside = scope["layer" + std::to_string(layer + 1)];
      for (int i = 0; i < counts[layer]; ++i) {
        blocks_.emplace_back(inside[static_cast<std::size_t>(i)], channels, width, i == 0 && layer > 0 ? 2 : 1,
                             bottleneck);
        channels = bottleneck ? 4 * width : width;
      }
    }
    fc_ = Linear(scope["fc"], channels, spec.classes);
  }

 protected:
  at::Tensor run(const std::vector<at::Tensor>& inputs) override {
    const at::Tensor& images = only_input(inputs);
    if (images.dim() != 4 || images.size(1) != spec_.in_channels)
      throw ModelError("the network " + name() + " takes images, [batch, " + std::to_string(spec_.in_channels) +
                       ", height, width], and the job gives it " + describe(inputs));
    at::Tensor x = stem_(images).relu_();
    if (spec_.stem == job::Stem::imagenet) x = at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});
    for (const ResidualBlock& block : blocks_) x = block(x);
    return fc_(x.mean({2, 3}));
  }

 private:
  job::ResNet spec_;
  ConvNorm stem_;
  std::vector<ResidualBlock> blocks_;
  Linear fc_;
};

}  // namespace

std::unique_ptr<Trainable> make(const job::ResNet& spec, std::uint64_t seed) {
  return std::make_unique<ResNet>(spec, seed);
}

}  // namespace shardmill::model::zoo
