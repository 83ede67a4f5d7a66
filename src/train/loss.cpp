#include "train/loss.hpp"

#include <functional>
#include <limits>
#include <numeric>
#include <string>

#include <ATen/ATen.h>

#include "job/error.hpp"
#include "job/names.hpp"
#include "model/error_text.hpp"

namespace shardmill::train {
namespace {

std::string text(at::IntArrayRef shape) {
  std::string made = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) made += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return made + "]";
}

[[noreturn]] void misfit(const job::Loss& loss, const at::Tensor& output, const at::Tensor& target,
                         const std::string& wanted) {
  throw ModelError("the loss " + std::string(job::name_of(loss.type)) + " needs " + wanted +
                   ": the model's output is " + model::describe({output}) + ", the target " +
                   model::describe({target}));
}

std::int64_t values_of_a_record(const at::Tensor& target) {
  const auto shape = target.sizes().slice(1);
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

std::vector<std::int64_t> without_trailing_ones(at::IntArrayRef shape) {
  std::vector<std::int64_t> made = shape.vec();
  while (made.size() > 1 && made.back() == 1) made.pop_back();
  return made;
}

// On a GPU a target that is no class would end in an assertion of a kernel, after which nothing works any more.
void check_range(const job::Loss& loss, const at::Tensor& target, std::int64_t count) {
  if (target.is_cpu() || target.numel() == 0) return;
  const auto [low, high] = at::aminmax(target);
  const at::Tensor both = at::stack({low, high}).cpu();
  const auto least = both[0].item<std::int64_t>();
  const auto most = both[1].item<std::int64_t>();
  if (least >= 0 && most < count) return;
  throw ModelError("the loss " + std::string(job::name_of(loss.type)) + " failed: target " +
                   std::to_string(least < 0 ? least : most) + " is out of bounds for the model's " +
                   std::to_string(count) + " classes");
}

Compared classes(const job::Loss& loss, const at::Tensor& output, at::Tensor target) {
  if (target.scalar_type() != at::kLong) misfit(loss, output, target, "class indices (whole numbers) as the target");
  if (output.dim() < 2) misfit(loss, output, target, "an output [records, classes, ...]");
  std::vector<std::int64_t> expected = output.sizes().vec();
  expected.erase(expected.begin() + 1);
  if (without_trailing_ones(target.sizes()) == without_trailing_ones(expected)) target = target.reshape(expected);
  if (target.sizes() != at::IntArrayRef(expected))
    misfit(loss, output, target, "a target of shape " + text(expected) + " for this output");
  check_range(loss, target, output.size(1));
  return {output, target};
}

Compared tokens(const job::Loss& loss, const at::Tensor& output, const at::Tensor& target) {
  if (target.scalar_type() != at::kLong) misfit(loss, output, target, "token numbers as the target");
  if (output.dim() != 3 || output.sizes().slice(0, 2) != target.sizes())
    misfit(loss, output, target, "an output [records, tokens, vocabulary] and a target [records, tokens]");
  check_range(loss, target, output.size(2));
  return {output.transpose(1, 2), target};
}

Compared numbers(const job::Loss& loss, const at::Tensor& output, const at::Tensor& target) {
  if (output.dim() < 1 || without_trailing_ones(target.sizes()) != without_trailing_ones(output.sizes()))
    misfit(loss, output, target, "an output of the target's shape");
  return {output, target.reshape(output.sizes()).to(output.scalar_type())};
}

}  // namespace

Compared compared(const job::Loss& loss, const at::Tensor& output, const at::Tensor& target) {
  if (!output.is_floating_point()) misfit(loss, output, target, "an output of real numbers");
  const bool narrow = output.scalar_type() == at::kHalf || output.scalar_type() == at::kBFloat16;
  const at::Tensor wide = narrow ? output.to(at::kFloat) : output;
  switch (loss.type) {
    case job::LossType::cross_entropy:
      return classes(loss, wide, target);
    case job::LossType::next_token:
      return tokens(loss, wide, target);
    case job::LossType::mse:
    case job::LossType::l1:
    case job::LossType::bce_with_logits:
      return numbers(loss, wide, target);
  }
  SHARDMILL_CHECK(false, "a loss without a formula");
  return {};
}

at::Tensor loss_sum(const job::Loss& loss, const at::Tensor& output, const at::Tensor& target) {
  const Compared pair = compared(loss, output, target);
  const auto sum = [&]() -> at::Tensor {
    switch (loss.type) {
      case job::LossType::cross_entropy:
      case job::LossType::next_token: {
        // PyTorch ignores -100 silently, and takes the mean over the rest.
        constexpr std::int64_t ignored = std::numeric_limits<std::int64_t>::min();
        const std::int64_t count = pair.output.size(1);
        // A row for each prediction: for more dimensions there is no kernel on GPUs that gives the same bits each time.
        return at::cross_entropy_loss(pair.output.movedim(1, -1).reshape({-1, count}), pair.target.reshape({-1}), {},
                                      at::Reduction::Sum, ignored, loss.label_smoothing);
      }
      case job::LossType::mse:
        return at::mse_loss(pair.output, pair.target, at::Reduction::Sum);
      case job::LossType::l1:
        return at::l1_loss(pair.output, pair.target, at::Reduction::Sum);
      case job::LossType::bce_with_logits:
        return at::binary_cross_entropy_with_logits(pair.output, pair.target, {}, {}, at::Reduction::Sum);
    }
    return {};
  };
  try {
    const std::int64_t values = values_of_a_record(pair.target);
    const at::Tensor total = sum();
    return values > 1 ? total / values : total;
  } catch (const c10::Error& error) {
    throw ModelError("the loss " + std::string(job::name_of(loss.type)) + " failed on an output " +
                     model::describe({output}) + " and a target " + model::describe({target}) + ": " +
                     model::useful_line(error));
  }
}

}  // namespace shardmill::train
