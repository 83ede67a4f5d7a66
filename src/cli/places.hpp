// Where the program finds what belongs to it, in a build folder or installed anywhere.
#pragma once

#include <filesystem>

namespace shardmill::cli {

std::filesystem::path own_program();
// shardmill-rank: beside this program, or in ../libexec/shardmill. Throws UsageError if there is none.
std::filesystem::path rank_program();
// ../share/shardmill of an installed program, else the source tree.
std::filesystem::path share_dir();
std::filesystem::path config_dir();
// SHARDMILL_MPIRUN, else the mpirun of the MPI that this was built with, else mpirun from PATH. Throws UsageError.
std::filesystem::path mpirun();

}  // namespace shardmill::cli
