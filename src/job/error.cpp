#include "job/error.hpp"

namespace shardmill::detail {

void check_failed(const char* file, int line, const char* condition, const std::string& message) {
  throw CheckFailure(std::string(file) + ":" + std::to_string(line) + ": internal check failed: " + condition + ": " +
                     message);
}

}  // namespace shardmill::detail
