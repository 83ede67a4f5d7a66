// shardmill inspect CHECKPOINT|RUN: what is in a checkpoint, and whether it is whole.
#include <cstdio>
#include <memory>
#include <vector>

#include "cli/checkpoint_choice.hpp"
#include "cli/commands.hpp"
#include "cli/inspect_report.hpp"

namespace shardmill::cli {
namespace {

struct InspectOptions {
  CheckpointChoice choice;
  bool json = false;
};

ExitCode inspect(const InspectOptions& options) {
  store::CheckpointFile file(store::posix_disk(), choose_checkpoint(options.choice, "last"));
  std::vector<char> bytes;
  for (const auto& entry : file.tensors()) {  // compares each tensor's own checksum as well
    bytes.resize(entry.size);
    file.read(entry, bytes.data());
  }
  std::fputs((options.json ? checkpoint_json(file) : checkpoint_table(file)).c_str(), stdout);
  return ExitCode::done;
}

}  // namespace

void add_inspect(CLI::App& app, Action& action) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* command = app.add_subcommand("inspect", "Show what is in a checkpoint, and check its checksums");
  add_checkpoint_options(*command, options->choice);
  command->add_flag("--json", options->json, "For programs");
  command->callback([options, &action] { action = [options] { return inspect(*options); }; });
}

}  // namespace shardmill::cli
