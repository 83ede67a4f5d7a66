#include "cli/checkpoint_choice.hpp"

#include "job/error.hpp"
#include "store/checkpoint_folder.hpp"

namespace shardmill::cli {

namespace fs = std::filesystem;

void add_checkpoint_options(CLI::App& command, CheckpointChoice& choice) {
  command.add_option("checkpoint", choice.place, "A checkpoint, or a run's folder")->required();
  command.add_option("--which", choice.which, "Of a run's checkpoints: best or last")
      ->check(CLI::IsMember({"best", "last"}));
}

bool is_run(const CheckpointChoice& choice) {
  std::error_code error;
  return fs::is_directory(choice.place, error);
}

fs::path choose_checkpoint(const CheckpointChoice& choice, const std::string& preferred) {
  std::error_code error;
  const fs::path place = choice.place;
  if (!fs::exists(place, error)) throw UsageError("there is no " + place.string());
  if (!is_run(choice)) {
    if (!choice.which.empty()) {
      throw UsageError("--which chooses one of a run's checkpoints, and " + place.string() +
                       " is a file: leave it out");
    }
    return place;
  }
  const fs::path folder = place / "checkpoints";
  const std::string which = choice.which.empty() ? preferred : choice.which;
  if (which == "best" && fs::exists(folder / store::best_checkpoint, error)) {
    return fs::canonical(folder / store::best_checkpoint, error);
  }
  const auto stored = store::list_checkpoints(folder);
  if (stored.empty()) {
    throw UsageError(place.string() + " has no checkpoints: it is no training run, or has not written one yet");
  }
  if (choice.which == "best") {
    throw UsageError(place.string() + " has no best checkpoint: nothing has been evaluated yet; --which last is there");
  }
  return stored.front().path;
}

}  // namespace shardmill::cli
