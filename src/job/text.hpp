// Small pieces of sentences for users: quoted values, lists, "did you mean".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shardmill::job {

// 'text', on one line and cut short if it is long.
std::string quote(std::string_view text);

std::string join(const std::vector<std::string>& words, std::string_view between = ", ");

// The candidate that `word` is most likely a slip of, if any is near.
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates);

// ", did you mean 'x'?", or "; <label>: x, y, z" when nothing is near.
std::string suggest(std::string_view word, const std::vector<std::string>& candidates, std::string_view label);

}  // namespace shardmill::job
