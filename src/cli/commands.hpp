// One file a command. Each adds its word to the program and sets `action` when that word was given.
#pragma once

#include <functional>

#include <CLI/CLI.hpp>

#include "job/exit_codes.hpp"

namespace shardmill::cli {

using Action = std::function<ExitCode()>;

void add_run(CLI::App& app, Action& action);
void add_resume(CLI::App& app, Action& action);
void add_finish(CLI::App& app, Action& action);
void add_submit(CLI::App& app, Action& action);
void add_cancel(CLI::App& app, Action& action);
void add_validate(CLI::App& app, Action& action);
void add_plan(CLI::App& app, Action& action);
void add_tune(CLI::App& app, Action& action);
void add_simulate(CLI::App& app, Action& action);
void add_status(CLI::App& app, Action& action);
void add_verify(CLI::App& app, Action& action);
void add_inspect(CLI::App& app, Action& action);
void add_export(CLI::App& app, Action& action);
void add_doctor(CLI::App& app, Action& action);
void add_demo(CLI::App& app, Action& action);

// Those of shardmill-rank.
void add_rank_run(CLI::App& app, Action& action);
void add_rank_run_folder(CLI::App& app, Action& action);
void add_rank_plan(CLI::App& app, Action& action);
void add_rank_trial(CLI::App& app, Action& action);
void add_rank_doctor(CLI::App& app, Action& action);

}  // namespace shardmill::cli
