// What happens to a batch before and after the model. The same for batch jobs and for serving.
#pragma once

#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "job/job.hpp"
#include "model/model.hpp"

namespace shardmill::model {

// batch: [n, record...] of the stored dtype, on the model's device; it is not changed. Scale and normalize compute in
// float32 (float64 stays). The result need not be contiguous: forward() takes it as it is, and applies the model's
// precision to it. Throws ModelError naming the transform that does not fit.
at::Tensor apply_transforms(const std::vector<job::Transform>& transforms, at::Tensor batch);

// Selects and post-processes one output: [n, ...], contiguous, on the CPU, in the dtype it is stored in.
// softmax, argmax and top_k go over the last axis. Throws ModelError when the model has no such output (listing those
// it has), when axis 0 is not `records`, or when post-processing does not fit the shape.
at::Tensor apply_output(const job::Output& output, const std::vector<NamedTensor>& from_model, std::int64_t records);

}  // namespace shardmill::model
