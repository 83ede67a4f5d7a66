// The program that people call: `shardmill COMMAND`. Links neither LibTorch nor MPI; ranks are started as a program of
// their own (rank_program.hpp).
#pragma once

namespace shardmill::cli {

// Parses, dispatches, prints errors as sentences on standard error. Returns the exit code (job/exit_codes.hpp).
int front_main(int argc, char** argv);

}  // namespace shardmill::cli
