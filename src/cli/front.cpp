#include "cli/front.hpp"

#include "cli/commands.hpp"
#include "cli/program.hpp"

namespace shardmill::cli {

int front_main(int argc, char** argv) {
  CLI::App app("Batch inference over MPI ranks, from one YAML job file to HDF5. Whatever dies, no record is lost.",
               "shardmill");
  app.set_version_flag("--version", "shardmill " SHARDMILL_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 done, 1 failed, 2 bad job file or usage, 3 done with records in quarantine, 75 stopped and "
      "resumable.");
  Action action;
  add_run(app, action);
  add_resume(app, action);
  add_finish(app, action);
  add_submit(app, action);
  add_cancel(app, action);
  add_validate(app, action);
  add_plan(app, action);
  add_tune(app, action);
  add_simulate(app, action);
  add_status(app, action);
  add_verify(app, action);
  add_inspect(app, action);
  add_export(app, action);
  add_doctor(app, action);
  add_demo(app, action);
  return run_program(app, argc, argv, [&action] { return action(); });
}

}  // namespace shardmill::cli
