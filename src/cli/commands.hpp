// One file a command. Each adds its word to the program and sets `action` when that word was given.
#pragma once

#include <functional>

#include <CLI/CLI.hpp>

#include "job/exit_codes.hpp"

namespace shardmill::cli {

using Action = std::function<ExitCode()>;

void add_run(CLI::App& app, Action& action);
void add_resume(CLI::App& app, Action& action);
void add_validate(CLI::App& app, Action& action);
void add_plan(CLI::App& app, Action& action);
void add_status(CLI::App& app, Action& action);
void add_verify(CLI::App& app, Action& action);
void add_doctor(CLI::App& app, Action& action);
void add_demo(CLI::App& app, Action& action);

// Those of shardmill-rank.
void add_rank_run(CLI::App& app, Action& action);
void add_rank_run_folder(CLI::App& app, Action& action);
void add_rank_plan(CLI::App& app, Action& action);
void add_rank_doctor(CLI::App& app, Action& action);

}  // namespace shardmill::cli
