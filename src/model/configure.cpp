#include <cstdlib>
#include <mutex>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <torch/csrc/jit/codegen/fuser/interface.h>
#include <torch/csrc/jit/passes/tensorexpr_fuser.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include "model/host_memory.hpp"
#include "model/model.hpp"

namespace shardmill::model {

namespace {

// LibTorch refuses a second call, so that these are set once, whatever calls configure_torch how often.
void configure_once() {
  keep_host_memory();
  // One model runs at a time in a process; work between operators would only disturb.
  at::set_num_interop_threads(1);

  // The profiling executor watches the first runs and then rewrites the graph, so that later runs may round otherwise.
  // The simple executor runs the graph as it was loaded, from the first run on. Fusers would rewrite it as well.
  torch::jit::getExecutorMode() = true;
  torch::jit::getProfilingMode() = false;
  torch::jit::setTensorExprFuserEnabled(false);
  torch::jit::overrideCanFuseOnCPU(false);
  torch::jit::overrideCanFuseOnGPU(false);

  auto& context = at::globalContext();
  // Only warns where an operator has no deterministic form: better such a result than none.
  context.setDeterministicAlgorithms(true, true);
  // Would fill each fresh tensor with NaN: a debugging aid that costs a pass over memory.
  context.setDeterministicFillUninitializedMemory(false);
  context.setDeterministicCuDNN(true);
  context.setDeterministicMkldnn(true);
  // Benchmarking picks algorithms by time, that is, by chance.
  context.setBenchmarkCuDNN(false);
  // cuBLAS is reproducible with a workspace of its own only; read when CUDA starts.
  ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
  // Compiled packages read their inputs' memory as they were compiled to, unless they are told to look first.
  ::setenv("AOTI_RUNTIME_CHECK_INPUTS", "1", 0);
  // Denormals are left as they are: flushing them would change results against PyTorch's.
}

}  // namespace

void configure_torch(int threads) {
  static std::once_flag once;
  std::call_once(once, configure_once);
  // How a sum is split over threads decides on its rounding: the job fixes the number, not the machine.
  at::set_num_threads(threads);
}

}  // namespace shardmill::model
