#include "train/device_space.hpp"

#include <limits>
#include <map>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace shardmill::train {
namespace {

class DeviceSpace : public FloatSpace {
 public:
  explicit DeviceSpace(at::Device device) : device_(device) {}

  float* allocate(std::size_t count) override {
    at::Tensor tensor =
        at::empty({static_cast<std::int64_t>(count)}, at::TensorOptions().dtype(at::kFloat).device(device_));
    auto* data = tensor.mutable_data_ptr<float>();
    allocated_.insert_or_assign(data, std::move(tensor));
    return data;
  }
  void release(float* data, std::size_t) override { allocated_.erase(data); }
  void add(const float* a, const float* b, std::size_t count, float* out) override {
    const at::NoGradGuard no_grad;
    at::Tensor sum = view(out, count);
    at::add_out(sum, view(a, count), view(b, count));
  }
  void copy(const float* from, std::size_t count, float* to) override {
    const at::NoGradGuard no_grad;
    view(to, count).copy_(view(from, count));
  }
  void clear(float* data, std::size_t count) override { view(data, count).zero_(); }
  std::size_t block() const override { return std::numeric_limits<std::int32_t>::max() / 2; }

 private:
  at::Tensor view(const float* data, std::size_t count) const {
    return view_of_floats(const_cast<float*>(data), count, device_);
  }

  at::Device device_;
  std::map<float*, at::Tensor> allocated_;  // LibTorch owns memory by tensors alone
};

}  // namespace

std::unique_ptr<FloatSpace> make_device_space(at::Device device) { return std::make_unique<DeviceSpace>(device); }

at::Tensor view_of_floats(float* data, std::size_t count, at::Device device) {
  return at::from_blob(data, {static_cast<std::int64_t>(count)}, at::TensorOptions().dtype(at::kFloat).device(device));
}

}  // namespace shardmill::train
