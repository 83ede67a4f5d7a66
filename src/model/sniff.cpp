#include "model/sniff.hpp"

#include <filesystem>
#include <optional>

#include "job/error.hpp"
#include "model/archive.hpp"
#include "model/checkpoint_network.hpp"

namespace shardmill::model {

namespace {

using job::ModelFormat;

const char* describe(ModelFormat format) {
  switch (format) {
    case ModelFormat::torchscript:
      return "TorchScript";
    case ModelFormat::exported:
      return "an exported program (torch.export.save)";
    case ModelFormat::compiled:
      return "a compiled package (aoti_compile_and_package)";
    case ModelFormat::checkpoint:
      return "a training run's checkpoint";
  }
  return "";
}

const char* key_of(ModelFormat format) {
  switch (format) {
    case ModelFormat::torchscript:
      return "torchscript";
    case ModelFormat::exported:
      return "exported";
    case ModelFormat::compiled:
      return "compiled";
    case ModelFormat::checkpoint:
      return "checkpoint";
  }
  return "";
}

std::optional<ModelFormat> format_of(const Archive& archive) {
  if (archive.has_under("data/aotinductor/")) return ModelFormat::compiled;
  if (!archive.between("models/", ".json").empty()) return ModelFormat::exported;
  if (archive.has("constants.pkl") || archive.has_under("code/")) return ModelFormat::torchscript;
  return std::nullopt;
}

// What the file is instead of a zip archive, where its first bytes tell.
std::string not_an_archive(const Archive& archive) {
  const std::string& bytes = archive.first_bytes;
  if (bytes.starts_with("version https://git-lfs"))
    return "is only a pointer of Git LFS; fetch the model itself with: git lfs pull";
  if (bytes.starts_with("\x80\x02"))
    return "was saved by torch.save in its old form, which holds no program; export the model with "
           "torch.jit.script(model).save(...)";
  if (bytes.starts_with("\x89HDF"))
    return "is an HDF5 file; if it is a training run's checkpoint, set model.format: checkpoint";
  return "is not a model: PyTorch's model files are zip archives, this one is not";
}

std::optional<std::string> problem(const Archive& archive, ModelFormat wanted) {
  switch (archive.state) {
    case ArchiveState::whole:
      break;
    case ArchiveState::unreadable:
      return "cannot be read";
    case ArchiveState::empty:
      return "is empty";
    case ArchiveState::not_zip:
      return not_an_archive(archive);
    case ArchiveState::truncated:
      return "is truncated: the end of the archive is missing; copy or download it again";
  }
  const auto found = format_of(archive);
  if (found == wanted) return std::nullopt;
  if (found)
    return std::string("is ") + describe(*found) + ", not " + describe(wanted) +
           "; set model.format: " + key_of(*found);
  if (archive.has("data.pkl"))
    return "is a saved state_dict or pickled module, not " + std::string(describe(wanted)) +
           "; export it with torch.jit.script(model).save(...) or torch.export.save(...)";
  if (archive.has("serialized_exported_program.json") || archive.has_under("serialized_exported_program"))
    return "was exported by an older PyTorch; export it again with torch.export.save(...) of PyTorch 2.11";
  return std::string("is a zip archive, but not ") + describe(wanted);
}

}  // namespace

namespace {

void check_one(const job::Job& job, const job::Model& model, const std::string& key, job::Diagnostics& diagnostics) {
  // A network of the zoo, or what a job before this one is to make.
  std::error_code ignored;
  if (model.path.empty() || !std::filesystem::exists(model.path, ignored)) return;
  if (model.format == ModelFormat::checkpoint) {
    try {
      const CheckpointNetwork of = network_of(store::CheckpointFile(store::posix_disk(), model.path));
      if (const auto* script = std::get_if<ScriptSource>(&of);
          script && !std::filesystem::exists(script->path, ignored))
        throw ModelError("checkpoint " + model.path.string() +
                         " has the weights of a TorchScript module, but the module, " + script->path.string() +
                         ", is not there; put it back, or give the weights to the program that "
                         "made it with `shardmill export`");
    } catch (const Error& error) {
      diagnostics.add(job.where(key), error.what());
    }
    return;
  }
  if (const auto found = problem(read_archive(model.path), model.format))
    diagnostics.add(job.where(key), "model " + model.path.string() + " " + *found);
}

}  // namespace

void check(const job::Job& job, job::Diagnostics& diagnostics) {
  check_one(job, job.model, "model.path", diagnostics);
  for (const job::ServedModel& served : job.serve.models)
    check_one(job, served.model, served.key + "model.path", diagnostics);
}

}  // namespace shardmill::model
