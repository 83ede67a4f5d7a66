#include "cli/rank_program.hpp"

#include "cli/commands.hpp"
#include "cli/program.hpp"

namespace shardmill::cli {

int rank_main(int argc, char** argv) {
  CLI::App app("A rank of a shardmill run; started by `shardmill`, not by hand.", "shardmill-rank");
  app.require_subcommand(1);
  Action action;
  add_rank_run(app, action);
  add_rank_run_folder(app, action);
  add_rank_plan(app, action);
  add_rank_trial(app, action);
  add_rank_doctor(app, action);
  return run_program(app, argc, argv, [&action] { return action(); });
}

}  // namespace shardmill::cli
