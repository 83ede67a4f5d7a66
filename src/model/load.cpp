#include "job/error.hpp"
#include "model/loaders.hpp"
#include "model/model.hpp"

namespace shardmill::model {

std::unique_ptr<Model> load_model(const job::Model& spec, at::Device device) {
  switch (spec.format) {
    case job::ModelFormat::torchscript:
      return load_torchscript(spec, device);
    case job::ModelFormat::exported:
      return load_exported(spec, device);
    case job::ModelFormat::compiled:
      return load_compiled(spec, device);
    case job::ModelFormat::checkpoint:
      return load_checkpoint(spec, device);
  }
  SHARDMILL_CHECK(false, "a model format without a loader");
  return nullptr;
}

at::Device device_for(const job::Model& spec, at::Device device, const std::string& made_for) {
  const bool for_cpu = made_for == "cpu";
  if (device.is_cpu() == for_cpu) return device;
  if (for_cpu && spec.device == job::Device::automatic) return at::kCPU;
  throw ModelError("model " + spec.path.string() + " was exported for " + made_for + " and cannot run on " +
                   device.str() + "; export it with its parameters and inputs there" +
                   (for_cpu ? ", or set model.device: cpu" : ""));
}

std::string pick_name(const job::Model& spec, const std::vector<std::string>& names) {
  if (names.empty()) throw ModelError("model " + spec.path.string() + " holds no program; export it again");
  for (const std::string& name : names)
    if (name == "model") return name;
  return names.front();
}

}  // namespace shardmill::model
