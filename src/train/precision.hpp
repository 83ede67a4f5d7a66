// Mixed precision: for the life of this object, LibTorch computes in the job's precision where that is safe.
#pragma once

#include <ATen/autocast_mode.h>

#include "job/job.hpp"

namespace shardmill::train {

class Autocast {
 public:
  Autocast(at::Device device, job::Precision precision) : type_(device.type()) {
    if (precision == job::Precision::float32) return;
    on_ = true;
    at::autocast::set_autocast_enabled(type_, true);
    at::autocast::set_autocast_dtype(type_, precision == job::Precision::bfloat16 ? at::kBFloat16 : at::kHalf);
  }
  ~Autocast() {
    if (!on_) return;
    at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(type_, false);
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  at::DeviceType type_;
  bool on_ = false;
};

}  // namespace shardmill::train
