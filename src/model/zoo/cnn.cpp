// blocks.0.conv, blocks.0.bn, ...: convolution, BatchNorm, ReLU and max-pooling; then the mean over the image, dropout,
// and fc.
#include <ATen/ops/dropout.h>
#include <ATen/ops/max_pool2d.h>

#include "job/error.hpp"
#include "model/error_text.hpp"
#include "model/zoo/layers.hpp"
#include "model/zoo/networks.hpp"

namespace shardmill::model::zoo {

namespace {

struct ConvBlock {
  Conv2d conv;
  BatchNorm2d bn;

  ConvBlock(const Scope& scope, std::int64_t inputs, std::int64_t outputs)
      : conv(scope["conv"], inputs, outputs, 3, 1, Conv2d::Init::fan_in), bn(scope["bn"], outputs) {}
  at::Tensor operator()(const at::Tensor& x) const { return at::max_pool2d(bn(conv(x)).relu_(), {2, 2}); }
};

class Cnn : public Network {
 public:
  Cnn(job::Cnn spec, std::uint64_t seed) : Network("cnn", seed), spec_(std::move(spec)) {
    const Scope scope(*this);
    std::int64_t width = spec_.in_channels;
    for (const std::int64_t next : spec_.channels) {
      blocks_.emplace_back(scope["blocks"][blocks_.size()], width, next);
      width = next;
    }
    fc_ = Linear(scope["fc"], width, spec_.classes);
  }

 protected:
  at::Tensor run(const std::vector<at::Tensor>& inputs) override {
    at::Tensor x = only_input(inputs);
    if (x.dim() != 4 || x.size(1) != spec_.in_channels)
      throw ModelError("the network cnn takes images, [batch, " + std::to_string(spec_.in_channels) +
                       ", height, width], and the job gives it " + describe(inputs));
    const std::int64_t smallest = std::int64_t{1} << blocks_.size();
    if (x.size(2) < smallest || x.size(3) < smallest)
      throw ModelError("the network cnn halves its images " + std::to_string(blocks_.size()) + " times, so they need " +
                       std::to_string(smallest) + " pixels each way, and the job gives it " + describe(inputs) +
                       "; list fewer channels");
    for (const ConvBlock& block : blocks_) x = block(x);
    return fc_(at::dropout(x.mean({2, 3}), spec_.dropout, training()));
  }

 private:
  job::Cnn spec_;
  std::vector<ConvBlock> blocks_;
  Linear fc_;
};

}  // namespace

std::unique_ptr<Trainable> make(const job::Cnn& spec, std::uint64_t seed) { return std::make_unique<Cnn>(spec, seed); }

}  // namespace shardmill::model::zoo
