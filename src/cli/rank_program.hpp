// The program that mpirun starts: `shardmill-rank`. Also answers what needs LibTorch or MPI: `plan`, `doctor`.
#pragma once

namespace shardmill::cli {

int rank_main(int argc, char** argv);

}  // namespace shardmill::cli
