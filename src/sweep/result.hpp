// A trial's result as a file, whose checksum (store/checksum.hpp) is in the journal. Nothing in it depends on the rank,
// the time or what died on the way.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "train/solo_result.hpp"

namespace shardmill::sweep {

std::string to_json(const train::SoloResult& result);
// None if it is not what to_json writes.
std::optional<train::SoloResult> result_from_json(std::string_view text);

}  // namespace shardmill::sweep
