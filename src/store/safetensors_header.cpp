#include "store/safetensors_header.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "job/error.hpp"

namespace shardmill::store {

namespace {

using Json = nlohmann::json;

constexpr const char* metadata_key = "__metadata__";
constexpr std::array<std::pair<const char*, DType>, 13> types{{{"BOOL", DType::boolean},
                                                               {"U8", DType::uint8},
                                                               {"I8", DType::int8},
                                                               {"U16", DType::uint16},
                                                               {"I16", DType::int16},
                                                               {"U32", DType::uint32},
                                                               {"I32", DType::int32},
                                                               {"U64", DType::uint64},
                                                               {"I64", DType::int64},
                                                               {"F16", DType::float16},
                                                               {"BF16", DType::bfloat16},
                                                               {"F32", DType::float32},
                                                               {"F64", DType::float64}}};

std::string quoted(const std::string& name) {
  constexpr std::size_t longest = 100;
  return Json(name.substr(0, longest)).dump(-1, ' ', true, Json::error_handler_t::replace);
}

[[noreturn]] void wrong(const std::string& what) { throw StoreError(what); }

// The parser keeps the last of two equal keys, without a word, and takes any depth: both are caught here.
Json parsed(const std::string& text) {
  std::set<std::string> names;
  const auto check = [&names](int depth, Json::parse_event_t event, Json& item) {
    constexpr int deepest = 3;  // an array in a tensor's entry in the header
    if (depth > deepest) wrong("its header is nested too deeply");
    if (event == Json::parse_event_t::key && depth == 1 && !names.insert(item.get<std::string>()).second)
      wrong("its header lists " + quoted(item.get<std::string>()) + " twice");
    return true;
  };
  if (!text.starts_with('{')) wrong("its header does not begin with '{'");
  try {
    return Json::parse(text, check);
  } catch (const Json::exception&) {
    wrong("its header is not valid JSON");
  }
}

std::uint64_t whole_number(const Json& value, const std::string& what) {
  // Up to 2^63 - 1, so that sums of two cannot overflow.
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > INT64_MAX) wrong(what + " is not a whole number");
  return value.get<std::uint64_t>();
}

TensorInfo tensor_of(const std::string& name, const Json& entry) {
  const std::string tensor = "its tensor " + quoted(name);
  if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") || !entry.contains("shape") ||
      !entry.contains("data_offsets"))
    wrong(tensor + " is not described by dtype, shape and data_offsets");
  TensorInfo info;
  info.name = name;

  const Json& type = entry["dtype"];
  const auto* known = std::find_if(types.begin(), types.end(), [&](const auto& t) { return type == t.first; });
  if (known == types.end())
    wrong(tensor + " has the type " + (type.is_string() ? quoted(type.get<std::string>()) : "of no name") +
          ", which is not supported; save it as float32");
  info.dtype = known->second;

  if (!entry["shape"].is_array()) wrong(tensor + " has no list as its shape");
  for (const Json& size : entry["shape"])
    info.shape.push_back(static_cast<std::int64_t>(whole_number(size, "the shape of " + tensor)));

  const Json& offsets = entry["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2) wrong(tensor + " has no two data_offsets");
  info.offset = whole_number(offsets[0], "an offset of " + tensor);
  const std::uint64_t end = whole_number(offsets[1], "an offset of " + tensor);
  if (end < info.offset) wrong(tensor + " ends before it begins");
  info.size = end - info.offset;
  if (const auto expected = bytes_of(info.dtype, info.shape); expected != info.size)
    wrong(tensor + " has " + std::to_string(info.size) + " bytes where its type and shape need " +
          std::to_string(expected));
  return info;
}

}  // namespace

std::uint64_t bytes_of(DType dtype, const std::vector<std::int64_t>& shape) {
  std::uint64_t size = size_of(dtype);
  for (const std::int64_t length : shape)
    if (__builtin_mul_overflow(size, static_cast<std::uint64_t>(length), &size) || size > INT64_MAX)
      wrong("it has a tensor of more bytes than there can be");
  return size;
}

SafetensorsHeader parse_safetensors_header(const std::string& text) {
  SafetensorsHeader header;
  const Json json = parsed(text);
  for (const auto& [name, entry] : json.items()) {
    if (name != metadata_key) {
      header.tensors.push_back(tensor_of(name, entry));
      continue;
    }
    if (!entry.is_object()) wrong("its metadata are not names with texts");
    for (const auto& [key, value] : entry.items()) {
      if (!value.is_string()) wrong("its metadata are not names with texts");
      header.metadata[key] = value.get<std::string>();
    }
  }
  std::sort(header.tensors.begin(), header.tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return std::tie(a.offset, a.size, a.name) < std::tie(b.offset, b.size, b.name);
  });
  std::uint64_t end = 0;
  for (const TensorInfo& tensor : header.tensors) {
    if (tensor.offset != end)
      wrong("its tensor " + quoted(tensor.name) +
            (tensor.offset < end ? " overlaps another" : " does not begin where the one before it ends"));
    end = tensor.offset + tensor.size;
  }
  return header;
}

std::string safetensors_header(const SafetensorsHeader& header) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  if (!header.metadata.empty()) json[metadata_key] = header.metadata;
  for (const TensorInfo& tensor : header.tensors) {
    SHARDMILL_CHECK(tensor.name != metadata_key && !json.contains(tensor.name), "two tensors of one name");
    const auto* type =
        std::find_if(types.begin(), types.end(), [&](const auto& t) { return t.second == tensor.dtype; });
    json[tensor.name] = {{"dtype", type->first},
                         {"shape", tensor.shape},
                         {"data_offsets", {tensor.offset, tensor.offset + tensor.size}}};
  }
  std::string text;
  try {
    text = json.dump();
  } catch (const nlohmann::json::exception&) {
    wrong("a tensor's name or the metadata are not UTF-8");
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace shardmill::store
