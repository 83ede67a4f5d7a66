// A model behind one interface, whatever file it came from.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "job/job.hpp"
#include "model/named_tensor.hpp"

namespace shardmill::model {

// One thread at a time.
class Model {
 public:
  virtual ~Model() = default;
  // One forward pass. inputs: [batch, ...] each, in the order of the job's inputs, on device(), of any strides.
  // Floating inputs of a TorchScript model are given the job's precision; exported and compiled programs take the types
  // that they were exported with. Outputs are on device(). Throws ModelError with the first useful line of what
  // LibTorch said.
  // Names of outputs: a dict's key, or the index ("0", "1", ...) in a tuple or list; a single tensor is "0"; nested
  // once: "boxes.0".
  virtual std::vector<NamedTensor> forward(const std::vector<at::Tensor>& inputs) = 0;
  at::Device device() const { return device_; }

 protected:
  explicit Model(at::Device device) : device_(device) {}

 private:
  at::Device device_;
};

// The device the job asks for. automatic: the GPU of this local rank where the build and the machine have one, else the
// CPU. Throws ModelError if cuda is asked for and not to be had.
at::Device choose_device(job::Device wanted, int local_rank);

// Loads by format: TorchScript (frozen), exported program (nativert), compiled package (AOTInductor). Inference only.
// The model's device() is `device`, but for an exported or compiled program that was made for the CPU, if the job
// leaves the device to us. A compiled package's outputs are always "0", "1", ... Throws ModelError naming the file,
// what is wrong with it and what to do.
std::unique_ptr<Model> load_model(const job::Model& spec, at::Device device);

// Call once in a process before any model runs: threads, and the switches without which a model's second run need not
// give the bits of its first (no profiling executor, no fuser, deterministic algorithms).
void configure_torch(int threads);

at::ScalarType to_scalar_type(DType dtype);
DType from_scalar_type(at::ScalarType type);  // throws ModelError for types that cannot be stored (complex, quantized)

}  // namespace shardmill::model
