// shardmill doctor: asks the program that has LibTorch and MPI in it.
#include "cli/commands.hpp"
#include "cli/program.hpp"

namespace shardmill::cli {

void add_doctor(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("doctor", "Check MPI, GPUs, LibTorch, HDF5, Slurm and limits of this machine");
  command->callback([&action] { action = []() -> ExitCode { become_rank_program({"doctor"}); }; });
}

}  // namespace shardmill::cli
