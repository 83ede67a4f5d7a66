// A network of the zoo as text, for files that outlive the job.
#pragma once

#include <string>

#include "job/zoo.hpp"

namespace shardmill::job {

// "{zoo: cnn, options: {classes: 10, ...}}"
std::string zoo_to_yaml(const Zoo& zoo);
// Reads it back. Throws StoreError if it is no network that this version knows.
Zoo zoo_from_yaml(const std::string& text);

}  // namespace shardmill::job
