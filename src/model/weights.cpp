#include "model/weights.hpp"

#include <algorithm>
#include <array>
#include <map>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>

#include "job/error.hpp"
#include "model/error_text.hpp"

namespace shardmill::model {

namespace {

using Weights = std::map<std::string, at::Tensor>;

void rename(std::vector<NamedTensor>& weights) {
  for (bool again = !weights.empty(); again;) {
    again = false;
    for (const std::string prefix : {"module.", "_orig_mod.", "model."}) {
      if (!std::all_of(weights.begin(), weights.end(), [&](const auto& w) { return w.name.starts_with(prefix); }))
        continue;
      for (auto& weight : weights) weight.name.erase(0, prefix.size());
      again = true;
    }
  }
}

// GPT-2's file as Hugging Face has it, turned into ours.
void adapt_gpt(const Weights& network, std::vector<NamedTensor>& weights) {
  const std::string layer = "transformer.h.0.attn.c_attn.weight";
  const auto ours = network.find(layer);
  if (ours == network.end()) return;
  const auto in_transformer = [](const NamedTensor& w) { return w.name.starts_with("transformer."); };
  if (std::none_of(weights.begin(), weights.end(), in_transformer))
    for (auto& weight : weights)
      if (!weight.name.starts_with("lm_head.")) weight.name.insert(0, "transformer.");

  std::erase_if(weights, [](const NamedTensor& w) {
    return (w.name.ends_with(".attn.bias") && w.tensor.dim() == 4) || w.name.ends_with(".attn.masked_bias");
  });
  // attn.c_proj is square, so one layer that is not decides for all.
  const auto first = std::find_if(weights.begin(), weights.end(), [&](const auto& w) { return w.name == layer; });
  if (first == weights.end() || first->tensor.dim() != 2) return;
  if (first->tensor.sizes() == ours->second.sizes() || first->tensor.t().sizes() != ours->second.sizes()) return;
  for (auto& [name, tensor] : weights)
    for (const char* transposed : {".c_attn.weight", ".c_proj.weight", ".c_fc.weight"})
      if (name.ends_with(transposed) && tensor.dim() == 2) tensor = tensor.t();
}

std::string shape_of(const at::Tensor& tensor) {
  const std::string text = describe({tensor});
  return text.substr(text.find('['));
}

// "a, b, c and 4 more"
std::string first_of(const std::vector<std::string>& items) {
  constexpr std::size_t most = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(items.size(), most); ++i) text.append(i == 0 ? "" : ", ").append(items[i]);
  if (items.size() > most) text.append(" and " + std::to_string(items.size() - most) + " more");
  return text;
}

// All that does not fit, to be told in one sentence.
struct Misfits {
  std::vector<std::string> missing;
  std::vector<std::string> surplus;
  std::vector<std::string> others;

  void tell(const Trainable& network, const std::string& source) const {
    std::string text;
    const auto add = [&text](const std::string& what, const std::vector<std::string>& items) {
      if (!items.empty()) text.append(text.empty() ? "" : "; ").append(what).append(first_of(items));
    };
    add("", others);
    add("it lacks ", missing);
    add("it has what the network has not: ", surplus);
    if (!text.empty()) throw ModelError(source + " does not fit the network " + network.name() + ": " + text);
  }
};

// Tied weights come under their first name, their other names, or all of them.
void resolve_aliases(const Trainable& network, Weights& weights, Misfits& misfits) {
  for (const auto& [alias, name] : network.aliases()) {
    const auto found = weights.find(alias);
    if (found == weights.end()) continue;
    const auto [kept, is_new] = weights.try_emplace(name, found->second);
    if (!is_new && (kept->second.sizes() != found->second.sizes() || !at::equal(kept->second, found->second)))
      misfits.others.push_back(alias + " differs from " + name + ", and the network has one tensor for both");
    weights.erase(alias);
  }
}

}  // namespace

void assign_weights(Trainable& network, std::vector<NamedTensor> weights, const std::string& source) {
  Weights ours;
  for (const auto* tensors : {&network.parameters(), &network.buffers()})
    for (const auto& [name, tensor] : *tensors) ours.emplace(name, tensor);
  rename(weights);
  adapt_gpt(ours, weights);

  Misfits misfits;
  Weights theirs;
  for (const auto& [name, tensor] : weights)
    if (!theirs.emplace(name, tensor).second) misfits.others.push_back("it has " + name + " twice");
  resolve_aliases(network, theirs, misfits);

  for (const auto& [name, tensor] : theirs) {
    const auto own = ours.find(name);
    if (own == ours.end())
      misfits.surplus.push_back(name);
    else if (own->second.sizes() != tensor.sizes())
      misfits.others.push_back(name + " is " + shape_of(tensor) + ", not " + shape_of(own->second));
    else if (own->second.is_floating_point() != tensor.is_floating_point())
      misfits.others.push_back(name + " is " + describe({tensor}) + ", not " + describe({own->second}));
  }
  for (const auto& [name, tensor] : ours)
    if (!theirs.contains(name) && !name.ends_with("num_batches_tracked")) misfits.missing.push_back(name);
  misfits.tell(network, source);

  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : theirs) ours.at(name).copy_(tensor);
}

}  // namespace shardmill::model
