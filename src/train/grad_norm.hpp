// The length of a gradient, with the same bits for any number of threads and however it is dealt to ranks.
#pragma once

#include <vector>

#include "train/chunks.hpp"

namespace at {
class Tensor;
}

namespace shardmill::train {

// The sum of squares of each chunk of the slice, in float64 and a fixed order. gradient: flat, contiguous, float32; the
// slice is on_grid. Chunks of several ranks, one after another, are those of the whole.
std::vector<double> chunk_squares(const at::Tensor& gradient, const Slice& slice);

// The L2 norm of the vector whose chunk_squares these are: added in order.
double norm_of(const std::vector<double>& squares);

// Of the whole gradient.
double grad_norm(const at::Tensor& gradient);

}  // namespace shardmill::train
