#include "cli/front.hpp"

int main(int argc, char** argv) { return shardmill::cli::front_main(argc, argv); }
