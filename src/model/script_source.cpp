#include "model/script_source.hpp"

#include <array>
#include <cstdio>

#include "job/error.hpp"
#include "store/checksum.hpp"

namespace shardmill::model {

ScriptSource ScriptSource::of(const std::filesystem::path& file) {
  std::array<char, 17> text{};
  try {
    const auto checksum = static_cast<unsigned long long>(store::file_checksum(file));
    std::snprintf(text.data(), text.size(), "%016llx", checksum);
  } catch (const StoreError& error) {
    throw ModelError(std::string("model ") + error.what() + "; see that it is there and may be read");
  }
  return {std::filesystem::absolute(file).lexically_normal(), text.data()};
}

}  // namespace shardmill::model
