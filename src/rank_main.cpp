#include "cli/rank_program.hpp"

int main(int argc, char** argv) { return shardmill::cli::rank_main(argc, argv); }
