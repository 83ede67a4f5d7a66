// Text that YAML cannot hold, found before the parser sees it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace shardmill::job {

struct BadText {
  int line;  // from 1, as column
  int column;
  std::string what;
};

// The first byte that is not UTF-8, or is a control character other than tab and line ends.
std::optional<BadText> find_bad_text(std::string_view text);

}  // namespace shardmill::job
