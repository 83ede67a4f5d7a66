// What exported and compiled programs have around them alike: errors that name the file, and contiguous inputs.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <c10/core/InferenceMode.h>

#include "job/error.hpp"
#include "model/error_text.hpp"
#include "model/model.hpp"

namespace shardmill::model {

// `run` with the inputs, contiguous: programs are exported with such inputs, and may view them as that. Throws
// ModelError.
template <typename Run>
std::vector<NamedTensor> run_program(const std::string& path, const std::vector<at::Tensor>& inputs, const Run& run) {
  const c10::InferenceMode inference;
  try {
    std::vector<at::Tensor> arguments;
    arguments.reserve(inputs.size());
    for (const at::Tensor& input : inputs) arguments.push_back(input.contiguous());
    return run(std::move(arguments));
  } catch (const Error& error) {
    throw ModelError("model " + path + ": " + error.what());
  } catch (const std::exception& error) {
    throw ModelError(forward_failed(path, inputs, error));
  }
}

// kind: "an exported program"; remedy: what to do if it cannot be loaded. Throws ModelError.
template <typename Load>
std::unique_ptr<Model> load_program(const std::string& path, const std::string& kind, const std::string& remedy,
                                    const Load& load) {
  try {
    return load();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw ModelError("model " + path + " cannot be loaded as " + kind + ": " + useful_line(error) + "; " + remedy);
  }
}

}  // namespace shardmill::model
