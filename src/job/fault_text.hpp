// The parts of "a:b:c,d:e:f", in which faults to be injected are written.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace shardmill {

std::vector<std::string_view> split_text(std::string_view text, char separator);

// A whole number from 0 in `whole`. Throws UsageError.
int fault_number(std::string_view text, std::string_view whole);

// The variable's value, "" if it is not set.
std::string environment_text(const char* variable);

}  // namespace shardmill
