// The built-in networks of a training job, as `model: {zoo: NAME, options: {...}}` names them. Shapes are of one
// record.
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

namespace shardmill::job {

enum class Activation { relu, gelu, tanh };
enum class Stem { imagenet, cifar };  // 7x7 stride 2 and max-pooling, or 3x3 stride 1

// [inputs] -> [outputs]; any shape whose elements number `inputs` is flattened.
struct Mlp {
  std::int64_t inputs = 0;
  std::vector<std::int64_t> hidden;  // may be empty: a linear model
  std::int64_t outputs = 0;
  Activation activation = Activation::relu;
  double dropout = 0;

  friend bool operator==(const Mlp&, const Mlp&) = default;
};

// [in_channels, height, width] -> [classes]: for each of `channels` a 3x3 convolution, BatchNorm, ReLU and 2x2
// max-pooling; then the mean over the image, dropout and a linear layer.
struct Cnn {
  std::int64_t in_channels = 1;
  std::vector<std::int64_t> channels = {32, 64};
  std::int64_t classes = 10;
  double dropout = 0;

  friend bool operator==(const Cnn&, const Cnn&) = default;
};

// torchvision's resnet18, resnet34 and resnet50: [in_channels, height, width] -> [classes].
struct ResNet {
  int depth = 18;
  std::int64_t in_channels = 3;
  std::int64_t classes = 1000;
  Stem stem = Stem::imagenet;

  friend bool operator==(const ResNet&, const ResNet&) = default;
};

// GPT-2's network: int64 tokens [length <= block_size] -> logits [length, vocab_size]. The output layer shares the
// token embedding's weights.
struct Gpt {
  std::int64_t vocab_size = 0;
  std::int64_t block_size = 0;
  std::int64_t layers = 4;
  std::int64_t heads = 4;
  std::int64_t width = 128;
  double dropout = 0;
  bool bias = true;

  friend bool operator==(const Gpt&, const Gpt&) = default;
};

// Transformer encoder that classifies: int64 tokens [length <= max_length], 0 is padding -> [classes].
struct Encoder {
  std::int64_t vocab_size = 0;
  std::int64_t max_length = 0;
  std::int64_t layers = 2;
  std::int64_t heads = 4;
  std::int64_t width = 128;
  std::int64_t classes = 2;
  double dropout = 0;

  friend bool operator==(const Encoder&, const Encoder&) = default;
};

using Zoo = std::variant<Mlp, Cnn, ResNet, Gpt, Encoder>;

// "mlp", "cnn", "resnet18", "resnet34", "resnet50", "gpt", "encoder"
std::string_view name_of(const Zoo& zoo);

}  // namespace shardmill::job
