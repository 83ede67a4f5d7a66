#include "model/transforms.hpp"

#include <algorithm>
#include <numeric>

#include <ATen/ATen.h>

#include "job/error.hpp"
#include "model/error_text.hpp"

namespace shardmill::model {

namespace {

struct Misfit {
  const char* transform;
  std::string why;
};

// Arithmetic is done in float32, or float64 if that is what comes in. A copy, unless it is a float already.
at::Tensor in_floats(const at::Tensor& batch) {
  const auto type = batch.scalar_type();
  return type == at::kFloat || type == at::kDouble ? batch : batch.to(at::kFloat);
}

std::string shape_text(at::IntArrayRef shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

at::Tensor apply(const job::Cast& cast, const at::Tensor& batch) { return batch.to(to_scalar_type(cast.to)); }

at::Tensor apply(const job::Scale& scale, const at::Tensor& batch) {
  at::Tensor floats = in_floats(batch);
  // In place only in our own copy: the batch belongs to the caller.
  return floats.is_same(batch) ? floats.mul(scale.by) : floats.mul_(scale.by);
}

at::Tensor apply(const job::Normalize& normalize, const at::Tensor& batch) {
  const auto constants = [&](const std::vector<double>& values, const char* name) {
    const std::int64_t channels = batch.dim() > 1 ? batch.size(1) : 1;
    if (values.size() != 1 && static_cast<std::int64_t>(values.size()) != channels)
      throw Misfit{"normalize", std::to_string(values.size()) + " values of " + name + " for records of " +
                                    std::to_string(channels) + " channels (axis 0)"};
    std::vector<std::int64_t> shape(static_cast<std::size_t>(batch.dim()), 1);
    if (values.size() > 1) shape[1] = channels;
    return at::tensor(values, at::kDouble).reshape(shape);
  };
  if (std::find(normalize.std.begin(), normalize.std.end(), 0.0) != normalize.std.end())
    throw Misfit{"normalize", "std is 0"};
  at::Tensor floats = in_floats(batch);
  const at::Tensor mean = constants(normalize.mean, "mean").to(floats.options());
  const at::Tensor std = constants(normalize.std, "std").to(floats.options());
  return (floats.is_same(batch) ? floats.sub(mean) : floats.sub_(mean)).div_(std);
}

at::Tensor apply(const job::Reshape& reshape, const at::Tensor& batch) {
  const auto record = batch.sizes().slice(1);
  const auto product = [](at::IntArrayRef shape) {
    return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
  };
  const std::int64_t elements = product(record);
  std::vector<std::int64_t> shape = {batch.size(0)};
  shape.insert(shape.end(), reshape.shape.begin(), reshape.shape.end());
  // By hand: of a batch of no records, LibTorch could not tell.
  const auto open = std::find(shape.begin() + 1, shape.end(), -1);
  if (open != shape.end()) {
    *open = 1;
    const std::int64_t known = product(at::IntArrayRef(shape).slice(1));
    *open = known == 0 ? 0 : elements / known;
  }
  if (product(at::IntArrayRef(shape).slice(1)) != elements)
    throw Misfit{"reshape", "records of shape " + shape_text(record) + " do not have the elements of " +
                                shape_text(reshape.shape)};
  return batch.reshape(shape);
}

at::Tensor apply(const job::Permute& permute, const at::Tensor& batch) {
  std::vector<std::int64_t> axes = {0};
  for (const std::int64_t axis : permute.axes) axes.push_back(axis + 1);
  std::vector<std::int64_t> sorted = axes;
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::int64_t> expected(static_cast<std::size_t>(batch.dim()));
  std::iota(expected.begin(), expected.end(), 0);
  if (sorted != expected)
    throw Misfit{"permute", shape_text(permute.axes) + " does not name each axis of records of shape " +
                                shape_text(batch.sizes().slice(1)) + " once"};
  return batch.permute(axes);
}

}  // namespace

at::Tensor apply_transforms(const std::vector<job::Transform>& transforms, at::Tensor batch) {
  for (std::size_t i = 0; i < transforms.size(); ++i) {
    const std::string place = "transforms[" + std::to_string(i) + "]";
    try {
      batch = std::visit([&](const auto& transform) { return apply(transform, batch); }, transforms[i]);
    } catch (const Misfit& misfit) {
      throw ModelError(place + " (" + misfit.transform + ") does not fit: " + misfit.why);
    } catch (const std::exception& error) {
      throw ModelError(place + " failed on " + describe({batch}) + ": " + useful_line(error));
    }
  }
  return batch;
}

}  // namespace shardmill::model
