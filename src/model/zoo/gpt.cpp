// GPT-2: pre-norm blocks, GELU by tanh, learned positions, the output layer tied to the token embedding. Names and
// shapes are those of nanoGPT: a linear layer's weight is [outputs, inputs], while Hugging Face's GPT-2 has it
// transposed (load_weights turns it round). Initialisation is GPT-2's: N(0, 0.02), and for the projections that add to
// the residual stream N(0, 0.02 / sqrt(2 layers)).
#include <cmath>

#include <ATen/ops/arange.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>

#include "model/zoo/layers.hpp"
#include "model/zoo/networks.hpp"

namespace shardmill::model::zoo {

namespace {

constexpr double deviation = 0.02;

struct GptBlock {
  LayerNorm ln_1;
  Linear c_attn;
  Linear attn_proj;
  LayerNorm ln_2;
  Linear c_fc;
  Linear mlp_proj;

  GptBlock(const Scope& scope, const job::Gpt& spec)
      : ln_1(scope["ln_1"], spec.width, spec.bias),
        c_attn(scope["attn"]["c_attn"], spec.width, 3 * spec.width, spec.bias, deviation),
        attn_proj(scope["attn"]["c_proj"], spec.width, spec.width, spec.bias, residual(spec)),
        ln_2(scope["ln_2"], spec.width, spec.bias),
        c_fc(scope["mlp"]["c_fc"], spec.width, 4 * spec.width, spec.bias, deviation),
        mlp_proj(scope["mlp"]["c_proj"], 4 * spec.width, spec.width, spec.bias, residual(spec)) {}

  at::Tensor operator()(const at::Tensor& input, const job::Gpt& spec, bool training) const {
    const double dropout = training ? spec.dropout : 0;
    const at::Tensor attended = attention(c_attn(ln_1(input)), spec.heads, {}, dropout, /*causal=*/true);
    const at::Tensor x = input.add(at::dropout(attn_proj(attended), dropout, training));
    return x.add(at::dropout(mlp_proj(at::gelu(c_fc(ln_2(x)), "tanh")), dropout, training));
  }

  static double residual(const job::Gpt& spec) { return deviation / std::sqrt(2 * static_cast<double>(spec.layers)); }
};

class Gpt : public Network {
 public:
  Gpt(const job::Gpt& spec, std::uint64_t seed) : Network("gpt", seed), spec_(spec) {
    check_heads(spec.width, spec.heads);
    const Scope scope = Scope(*this)["transformer"];
    wte_ = scope["wte"].normal("weight", {spec.vocab_size, spec.width}, deviation);
    aliases_["lm_head.weight"] = "transformer.wte.weight";
    wpe_ = scope["wpe"].normal("weight", {spec.block_size, spec.width}, deviation);
    for (std::int64_t i = 0; i < spec.layers; ++i) blocks_.emplace_back(scope["h"][static_cast<std::size_t>(i)], spec_);
    ln_f_.emplace_back(scope["ln_f"], spec.width, spec.bias);
  }

 protected:
  at::Tensor run(const std::vector<at::Tensor>& inputs) override {
    const at::Tensor tokens = this->tokens(inputs, spec_.vocab_size, spec_.block_size);
    const at::Tensor positions = at::arange(tokens.size(1), tokens.options());
    at::Tensor x = at::embedding(wte_, tokens).add(at::embedding(wpe_, positions));
    x = at::dropout(x, spec_.dropout, training());
    for (const GptBlock& block : blocks_) x = block(x, spec_, training());
    return at::linear(ln_f_.front()(x), wte_);
  }

 private:
  job::Gpt spec_;
  at::Tensor wte_;
  at::Tensor wpe_;
  std::vector<GptBlock> blocks_;
  std::vector<LayerNorm> ln_f_;  // one; made after the blocks
};

}  // namespace

std::unique_ptr<Trainable> make(const job::Gpt& spec, std::uint64_t seed) { return std::make_unique<Gpt>(spec, seed); }

}  // namespace shardmill::model::zoo
