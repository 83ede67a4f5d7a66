// A network's parameters, gradients and buffers as flat vectors, which the network itself works on.
//
// Layout of the flat vector of parameters: first those with weight decay, then those without, then those that are
// frozen (requires_grad is false), each starting on a border of 16 floats; the gaps are 0 and stay 0. A contribution
// (what a logical shard adds to a step) is one vector of float32:
//
//   [gradient, laid out as the parameters but without the frozen | floating-point buffers | loss]
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/TensorBody.h>

#include "job/train.hpp"
#include "model/trainable.hpp"

namespace shardmill::train {

// One named tensor inside of a flat vector.
struct FlatPart {
  std::string name;
  std::vector<std::int64_t> shape;
  std::int64_t first = 0;  // element
  std::int64_t count = 0;
};

// One thread. The network must outlive it and is not to be moved to another device.
class FlatState {
 public:
  // Makes the network's parameters views of one vector. Throws ModelError for parameters that are not float32.
  FlatState(model::Trainable& network, bool decay_all);
  ~FlatState();
  FlatState(const FlatState&) = delete;
  FlatState& operator=(const FlatState&) = delete;

  std::int64_t trained() const { return trained_; }  // elements of the parameters, with gaps, that are not frozen
  std::int64_t decayed() const { return decayed_; }  // of those
  std::int64_t buffer_elements() const { return buffers_.numel(); }
  std::int64_t contribution_elements() const { return trained_ + buffers_.numel() + 1; }

  at::Tensor& parameters() { return parameters_; }
  // The floating-point buffers as of the last committed step.
  at::Tensor& buffers() { return buffers_; }
  std::vector<std::int64_t>& counters() { return counters_; }  // the integer buffers, flat
  const std::vector<FlatPart>& parameter_parts() const { return parameter_parts_; }
  const std::vector<FlatPart>& buffer_parts() const { return buffer_parts_; }
  const std::vector<FlatPart>& counter_parts() const { return counter_parts_; }

  // Gradients go into this contribution from now on: those of the next backward pass are written, those of later ones
  // added. [contribution_elements()], of any content; it must outlive the passes.
  void collect_into(const at::Tensor& contribution);
  // After the passes: what no gradient came for is 0.
  void finish_gradient();
  // The network's own buffers become those of the last committed step.
  void reset_buffers();
  // The network's own buffers, times `weight`, become the contribution's.
  void collect_buffers(at::Tensor& contribution, double weight) const;
  // After a committed step: `sum` is the sum of all contributions; buffers that count batches count one more.
  void commit_buffers(const at::Tensor& sum, std::int64_t passes);
  void set_loss(at::Tensor& contribution, double loss) const;
  double loss_of(const at::Tensor& contribution) const;

 private:
  class Collector;
  void collect(std::size_t parameter);

  model::Trainable& network_;
  at::Tensor parameters_;
  at::Tensor buffers_;
  std::vector<std::int64_t> counters_;
  std::vector<FlatPart> parameter_parts_;
  std::vector<at::Tensor> live_parameters_;  // in the order of parameter_parts_
  std::vector<at::Tensor> places_;           // of their gradients, in the contribution at hand
  std::vector<char> collected_;              // whether a gradient has come
  std::vector<FlatPart> buffer_parts_;
  std::vector<at::Tensor> live_buffers_;
  std::vector<FlatPart> counter_parts_;
  std::vector<at::Tensor> live_counters_;
  std::int64_t decayed_ = 0;
  std::int64_t trained_ = 0;
};

}  // namespace shardmill::train
