// What is minimized, as PyTorch computes it, in sums that can be taken over parts of a batch.
#pragma once

#include <ATen/core/TensorBody.h>

#include "job/train.hpp"

namespace shardmill::train {

// The loss of n records: the mean over each record's own values, summed over the records; a scalar of float32 (float64
// for a float64 output) that gradients flow through. Divided by the records of the global batch
// (Sampler::batch_records) and added up over its parts, it is PyTorch's loss with reduction "mean"; so is its gradient.
// Where a gradient is to be had, the caller scales by 1 / records before backward().
//
//                    output                  target
//   cross_entropy    [n, classes, ...]       [n, ...] int64, class indices; [n, 1] is taken for [n]
//   next_token       [n, tokens, vocabulary] [n, tokens] int64
//   mse, l1          [n, ...]                the same shape, but for trailing ones
//   bce_with_logits  [n, ...]                the same
// float16 and bfloat16 outputs are widened to float32 first. n may be 0. Throws ModelError for other shapes and types,
// and for a class that is not below the number of classes (there is no index to be ignored).
at::Tensor loss_sum(const job::Loss& loss, const at::Tensor& output, const at::Tensor& target);

// The two as the loss compares them: the output wide enough, the target in the shape that belongs to it. Throws
// ModelError as loss_sum does. Classes, if there are any, are axis 1 of the output.
struct Compared {
  at::Tensor output;
  at::Tensor target;
};
Compared compared(const job::Loss& loss, const at::Tensor& output, const at::Tensor& target);

}  // namespace shardmill::train
