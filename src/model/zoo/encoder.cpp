// A transformer encoder that classifies: embedding and position, then `encoder` as torch.nn.TransformerEncoder of
// TransformerEncoderLayer(width, heads, 4 * width, dropout, activation="gelu", batch_first=True, norm_first=True) with
// a final LayerNorm, the mean over the tokens that are not padding, and `classifier`. Norms come first because such a
// network trains without warm-up. A record of nothing but padding gives finite logits.
#include <cmath>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>

#include "model/zoo/layers.hpp"
#include "model/zoo/networks.hpp"

namespace shardmill::model::zoo {

namespace {

// torch.nn.MultiheadAttention: xavier_uniform_ for in_proj_weight, biases 0.
struct SelfAttention {
  Linear in_proj;
  Linear out_proj;

  SelfAttention(const Scope& scope, std::int64_t width) {
    const auto size = static_cast<double>(width);
    in_proj.weight = scope.uniform("in_proj_weight", {3 * width, width}, std::sqrt(6 / (4 * size)));
    in_proj.bias = scope.constant("in_proj_bias", {3 * width}, 0);
    const Scope out = scope["out_proj"];
    out_proj.weight = out.uniform("weight", {width, width}, 1 / std::sqrt(size));
    out_proj.bias = out.constant("bias", {width}, 0);
  }
  at::Tensor operator()(const at::Tensor& x, std::int64_t heads, const at::Tensor& mask, double dropout) const {
    return out_proj(attention(in_proj(x), heads, mask, dropout, /*causal=*/false));
  }
};

struct Layer {
  SelfAttention self_attn;
  Linear linear1;
  Linear linear2;
  LayerNorm norm1;
  LayerNorm norm2;

  Layer(const Scope& scope, std::int64_t width)
      : self_attn(scope["self_attn"], width),
        linear1(scope["linear1"], width, 4 * width),
        linear2(scope["linear2"], 4 * width, width),
        norm1(scope["norm1"], width),
        norm2(scope["norm2"], width) {}

  at::Tensor operator()(const at::Tensor& input, const job::Encoder& spec, const at::Tensor& mask,
                        bool training) const {
    const double p = training ? spec.dropout : 0;
    const at::Tensor x = input.add(at::dropout(self_attn(norm1(input), spec.heads, mask, p), p, training));
    const at::Tensor wide = at::dropout(at::gelu(linear1(norm2(x))), p, training);
    return x.add(at::dropout(linear2(wide), p, training));
  }
};

class Encoder : public Network {
 public:
  Encoder(const job::Encoder& spec, std::uint64_t seed) : Network("encoder", seed), spec_(spec) {
    check_heads(spec.width, spec.heads);
    const Scope scope(*this);
    embedding_ = scope["embedding"].normal("weight", {spec.vocab_size, spec.width}, 1);
    {
      const at::NoGradGuard no_grad;
      embedding_.select(0, padding).zero_();
    }
    position_ = scope["position"].normal("weight", {spec.max_length, spec.width}, 1);
    for (std::int64_t i = 0; i < spec.layers; ++i)
      layers_.emplace_back(scope["encoder"]["layers"][static_cast<std::size_t>(i)], spec.width);
    norm_.emplace_back(scope["encoder"]["norm"], spec.width);
    classifier_ = Linear(scope["classifier"], spec.width, spec.classes);
  }

 protected:
  at::Tensor run(const std::vector<at::Tensor>& inputs) override {
    const at::Tensor tokens = this->tokens(inputs, spec_.vocab_size, spec_.max_length);
    const at::Tensor real = tokens.ne(padding);
    const at::Tensor positions = at::arange(tokens.size(1), tokens.options());
    at::Tensor x = at::embedding(embedding_, tokens, padding).add(at::embedding(position_, positions));
    x = at::dropout(x, spec_.dropout, training());
    const at::Tensor mask = real.unsqueeze(1).unsqueeze(1);  // [batch, 1, 1, length]
    for (const Layer& layer : layers_) x = layer(x, spec_, mask, training());
    x = norm_.front()(x);
    const at::Tensor weight = real.unsqueeze(2).to(x.scalar_type());
    return classifier_(x.mul(weight).sum(1).div(weight.sum(1).clamp_min(1)));
  }

 private:
  static constexpr std::int64_t padding = 0;

  job::Encoder spec_;
  at::Tensor embedding_;
  at::Tensor position_;
  std::vector<Layer> layers_;
  std::vector<LayerNorm> norm_;  // one; made after the layers
  Linear classifier_;
};

}  // namespace

std::unique_ptr<Trainable> make(const job::Encoder& spec, std::uint64_t seed) {
  return std::make_unique<Encoder>(spec, seed);
}

}  // namespace shardmill::model::zoo
