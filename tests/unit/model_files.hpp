// Makes small models and files for the model tests.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "job/error.hpp"
#include "temp_folder.hpp"

namespace shardmill::model::test {

using shardmill::test::TempFolder;

// What the call throws as ModelError, or "" if it does not.
template <class Call>
std::string model_error(const Call& call) {
  try {
    call();
  } catch (const ModelError& error) {
    return error.what();
  }
  return "";
}

}  // namespace shardmill::model::test
