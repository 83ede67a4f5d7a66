// shardmill export CHECKPOINT|RUN --to safetensors: the model of a checkpoint, for other programs.
#include <cstdio>
#include <deque>
#include <memory>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/checkpoint_choice.hpp"
#include "cli/commands.hpp"
#include "job/error.hpp"
#include "report/summary.hpp"
#include "store/checkpoint_file.hpp"
#include "store/safetensors.hpp"

namespace shardmill::cli {
namespace {

namespace fs = std::filesystem;

struct ExportOptions {
  CheckpointChoice choice;
  std::string format = "safetensors";
  std::string out;
};

// The state_dict's name of a parameter or buffer; empty for others.
std::string state_dict_name(const std::string& name) {
  const std::string group = "model/";
  return name.starts_with(group) ? name.substr(group.size()) : std::string();
}

// Readers expect "pt" in a file of PyTorch tensors; the step is for people.
std::map<std::string, std::string> metadata_of(const store::CheckpointFile& file) {
  std::map<std::string, std::string> metadata{{"format", "pt"}, {"checkpoint", file.info().checksum}};
  const nlohmann::json meta = nlohmann::json::parse(file.meta(), nullptr, false);
  if (meta.is_object() && meta.contains("step")) metadata["step"] = meta["step"].dump();
  return metadata;
}

fs::path place_of(const ExportOptions& options, const fs::path& checkpoint) {
  if (!options.out.empty()) return options.out;
  return is_run(options.choice) ? fs::path(options.choice.place) / "model.safetensors"
                                : fs::path(checkpoint).replace_extension(".safetensors");
}

ExitCode export_model(const ExportOptions& options) {
  const fs::path path = choose_checkpoint(options.choice, "best");
  const fs::path out = place_of(options, path);
  std::error_code error;
  if (fs::is_directory(out, error)) throw UsageError(out.string() + " is a folder; --out names a file");
  if (fs::equivalent(out, path, error)) throw UsageError("--out names the checkpoint itself; choose another file");
  store::CheckpointFile file(store::posix_disk(), path);
  std::vector<store::TensorBytes> tensors;
  std::deque<std::vector<char>> storage;
  std::uint64_t bytes = 0;
  for (const auto& entry : file.tensors()) {
    const std::string name = state_dict_name(entry.name);
    if (name.empty()) continue;
    storage.emplace_back(entry.size);
    file.read(entry, storage.back().data());
    tensors.push_back({name, entry.dtype, entry.shape, storage.back().data()});
    bytes += entry.size;
  }
  if (tensors.empty()) throw StoreError(path.string() + " holds no model: there is nothing below 'model/'");
  store::write_safetensors(store::posix_disk(), out, tensors, metadata_of(file));
  std::printf("%s: %s tensors, %s, of %s\n", out.c_str(),
              report::with_commas(static_cast<std::int64_t>(tensors.size())).c_str(),
              report::bytes_text(static_cast<double>(bytes)).c_str(), path.c_str());
  return ExitCode::done;
}

}  // namespace

void add_export(CLI::App& app, Action& action) {
  auto options = std::make_shared<ExportOptions>();
  CLI::App* command = app.add_subcommand("export", "Write the model of a checkpoint for other programs");
  add_checkpoint_options(*command, options->choice);
  command->add_option("--to", options->format, "The format (default: safetensors)")
      ->check(CLI::IsMember({"safetensors"}));
  command->add_option("--out", options->out,
                      "The file (default: model.safetensors in the run, or beside the checkpoint)");
  command->callback([options, &action] { action = [options] { return export_model(*options); }; });
}

}  // namespace shardmill::cli
