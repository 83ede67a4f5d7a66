#include "model/outputs.hpp"

#include <ATen/core/Dict.h>
#include <ATen/core/List.h>

#include "job/error.hpp"

namespace shardmill::model {

namespace {

void add(const c10::IValue& value, const std::string& name, int depth, std::vector<NamedTensor>& found) {
  const auto inner = [&](const std::string& key) { return name.empty() ? key : name + "." + key; };
  if (value.isTensor()) {
    found.push_back({name.empty() ? "0" : name, value.toTensor()});
    return;
  }
  if (value.isNone()) return;                                       // an optional output that is not there
  if (value.isDouble() || value.isInt() || value.isBool()) return;  // about the batch, not one a record
  if (depth < 2) {
    if (value.isTensorList()) {
      std::size_t index = 0;
      for (const at::Tensor& tensor : value.toTensorVector()) found.push_back({inner(std::to_string(index++)), tensor});
      return;
    }
    if (value.isTuple()) {
      const auto& items = value.toTupleRef().elements();
      for (std::size_t i = 0; i < items.size(); ++i) add(items[i], inner(std::to_string(i)), depth + 1, found);
      return;
    }
    if (value.isList()) {
      const auto items = value.toListRef();
      for (std::size_t i = 0; i < items.size(); ++i) add(items[i], inner(std::to_string(i)), depth + 1, found);
      return;
    }
    if (value.isGenericDict()) {
      for (const auto& item : value.toGenericDict()) {
        const std::string key = item.key().isString() ? item.key().toStringRef()
                                : item.key().isInt()  ? std::to_string(item.key().toInt())
                                                      : "";
        if (key.empty()) throw ModelError("the model returns a dict whose keys are not strings");
        add(item.value(), inner(key), depth + 1, found);
      }
      return;
    }
  }
  throw ModelError("the model returns a " + value.tagKind() + (name.empty() ? "" : " as '" + name + "'") +
                   ", where a tensor, or a tuple, list or dict of tensors is needed");
}

}  // namespace

std::vector<NamedTensor> name_outputs(const c10::IValue& value) {
  std::vector<NamedTensor> found;
  add(value, "", 0, found);
  if (found.empty()) throw ModelError("the model returns no tensor");
  return found;
}

}  // namespace shardmill::model
