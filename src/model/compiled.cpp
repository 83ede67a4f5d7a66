// Packages compiled by AOTInductor (torch._inductor.aoti_compile_and_package).
#include <filesystem>

#include <dlfcn.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include "job/error.hpp"
#include "model/archive.hpp"
#include "model/loaders.hpp"
#include "model/program_frame.hpp"

namespace shardmill::model {

namespace {

using torch::inductor::AOTIModelPackageLoader;

// Packages are linked against libtorch.so, which only Python loads by itself: a program links the libraries behind it.
// From the folder of those, so that both are of one version.
void load_libtorch() {
  Dl_info found{};
  if (::dladdr(::dlsym(RTLD_DEFAULT, "aoti_torch_get_data_ptr"), &found) == 0) return;
  const auto library = std::filesystem::path(found.dli_fname).parent_path() / "libtorch.so";
  // If this fails, loading the package does too, and says why.
  ::dlopen(library.c_str(), RTLD_LAZY | RTLD_GLOBAL);
}

class Compiled : public Model {
 public:
  Compiled(const job::Model& spec, at::Device device, const std::string& name)
      : Model(device),
        path_(spec.path.string()),
        loader_(path_, name, false, 1, device.is_cuda() ? device.index() : -1) {}

  // A package keeps the order of its outputs, but not how they were nested: they are "0", "1", ...
  std::vector<NamedTensor> forward(const std::vector<at::Tensor>& inputs) override {
    return run_program(path_, inputs, [this](std::vector<at::Tensor> arguments) {
      std::vector<NamedTensor> outputs;
      for (at::Tensor& output : loader_.boxed_run(std::move(arguments)))
        outputs.push_back({std::to_string(outputs.size()), std::move(output)});
      if (outputs.empty()) throw ModelError("the model returns no tensor");
      return outputs;
    });
  }

 private:
  std::string path_;
  AOTIModelPackageLoader loader_;
};

}  // namespace

std::unique_ptr<Model> load_compiled(const job::Model& spec, at::Device device) {
  const std::string path = spec.path.string();
  const auto load = [&]() -> std::unique_ptr<Model> {
    const std::string name = pick_name(spec, read_archive(path).between("data/aotinductor/", "/"));
    load_libtorch();
    const auto metadata = AOTIModelPackageLoader::load_metadata_from_package(path, name);
    const auto made_for = metadata.find("AOTI_DEVICE_KEY");
    return std::make_unique<Compiled>(
        spec, device_for(spec, device, made_for == metadata.end() ? "cpu" : made_for->second), name);
  };
  return load_program(path, "a compiled package", "compile it again on a machine like this one, with PyTorch 2.11",
                      load);
}

}  // namespace shardmill::model
