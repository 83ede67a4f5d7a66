// What a model returns, as tensors with names.
#pragma once

#include <vector>

#include <ATen/core/ivalue.h>

#include "model/model.hpp"

namespace shardmill::model {

// A tensor is "0"; items of a tuple or list are "0", "1", ...; of a dict, their keys. One level of nesting is
// "<outer>.<inner>". Throws ModelError for anything else.
std::vector<NamedTensor> name_outputs(const c10::IValue& value);

}  // namespace shardmill::model
