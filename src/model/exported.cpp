// Exported programs (torch.export.save), run by nativert: without Python and without a compiler.
#include <cstdlib>

#include <c10/util/Logging.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/nativert/ModelRunnerHandle.h>

#include "job/error.hpp"
#include "model/archive.hpp"
#include "model/loaders.hpp"
#include "model/outputs.hpp"
#include "model/program_frame.hpp"

namespace shardmill::model {

namespace {

// The program's text names the device of each tensor.
std::string made_for(const std::string& path, const std::string& name) {
  caffe2::serialize::PyTorchStreamReader reader(path);
  const auto [bytes, size] = reader.getRecord("models/" + name + ".json");
  const std::string_view program(static_cast<const char*>(bytes.get()), size);
  return program.find("\"cuda\"") != std::string_view::npos ? "cuda" : "cpu";
}

// nativert logs each operator for which it has no kernel of its own, and each failure with its whole stack; we report
// failures ourselves. TORCH_CPP_LOG_LEVEL brings the log back.
void set_log_level(int level) {
  if (std::getenv("TORCH_CPP_LOG_LEVEL") == nullptr) FLAGS_caffe2_log_level = level;
}

class Exported : public Model {
 public:
  Exported(const job::Model& spec, at::Device device, const std::string& name)
      : Model(device), path_(spec.path.string()), runner_(path_, name) {}

  std::vector<NamedTensor> forward(const std::vector<at::Tensor>& inputs) override {
    return run_program(path_, inputs, [this](const std::vector<at::Tensor>& arguments) {
      return name_outputs(runner_.run({arguments.begin(), arguments.end()}, {}));
    });
  }

 private:
  std::string path_;
  torch::nativert::ModelRunnerHandle runner_;
};

}  // namespace

std::unique_ptr<Model> load_exported(const job::Model& spec, at::Device device) {
  const std::string path = spec.path.string();
  const auto load = [&]() -> std::unique_ptr<Model> {
    const std::string name = pick_name(spec, read_archive(path).between("models/", ".json"));
    const std::string kind = made_for(path, name);
    const at::Device chosen = device_for(spec, device, kind);
    if (chosen.is_cuda() && chosen.has_index() && chosen.index() != 0)
      throw ModelError("model " + path +
                       " is an exported program, which runs on the GPU that it names, cuda:0, not on " + chosen.str() +
                       "; show each rank one GPU (CUDA_VISIBLE_DEVICES), or use TorchScript");
    // Above the level of errors, loading prints the program's signature.
    set_log_level(c10::GLOG_ERROR);
    auto model = std::make_unique<Exported>(spec, chosen, name);
    set_log_level(c10::GLOG_FATAL);
    return model;
  };
  return load_program(path, "an exported program", "export it again with torch.export.save(...) of PyTorch 2.11", load);
}

}  // namespace shardmill::model
