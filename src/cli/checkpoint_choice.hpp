// Which checkpoint a command means: a file, or one of a run's.
#pragma once

#include <filesystem>
#include <string>

#include <CLI/CLI.hpp>

namespace shardmill::cli {

struct CheckpointChoice {
  std::string place;  // a checkpoint, or a run's folder
  std::string which;  // of a run: "best", "last"; empty: the command's own choice
};

void add_checkpoint_options(CLI::App& command, CheckpointChoice& choice);

// True if the place is a folder.
bool is_run(const CheckpointChoice& choice);

// The file; links are followed, so that it says its step. `preferred` is what a run gives if no `which` was asked for:
// "best" becomes "last" then if the run has no best one. Throws UsageError if there is none.
std::filesystem::path choose_checkpoint(const CheckpointChoice& choice, const std::string& preferred);

}  // namespace shardmill::cli
