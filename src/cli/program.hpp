// What both programs do around their commands.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "cli/commands.hpp"

namespace shardmill::cli {

// Parses, runs the action, and turns every exception into sentences on standard error and an exit code.
int run_program(CLI::App& app, int argc, char** argv, const Action& action);

// Becomes shardmill-rank with these words. Returns only by throwing UsageError.
[[noreturn]] void become_rank_program(const std::vector<std::string>& words);

}  // namespace shardmill::cli
