// Calls a program and reads what it says.
#pragma once

#include <string>
#include <vector>

namespace shardmill::cli {

struct ChildOutput {
  int code = 0;  // 127 if there is no such program, 128 + signal if one ended it
  std::string out;
  std::string err;
};

// Looked for on the PATH. Waits until the program has ended; meant for programs that say little. Throws StoreError if
// no process can be started.
ChildOutput call(const std::vector<std::string>& words);

}  // namespace shardmill::cli
