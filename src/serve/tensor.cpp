#include "serve/tensor.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include "serve/request.hpp"

namespace shardmill::serve {
namespace {

// Calls `use` with a value of the C++ type of `dtype`.
template <typename Use>
void with_type(DType dtype, const Use& use) {
  switch (dtype) {
    case DType::boolean:
      return use(bool{});
    case DType::uint8:
      return use(std::uint8_t{});
    case DType::int8:
      return use(std::int8_t{});
    case DType::uint16:
      return use(std::uint16_t{});
    case DType::int16:
      return use(std::int16_t{});
    case DType::uint32:
      return use(std::uint32_t{});
    case DType::int32:
      return use(std::int32_t{});
    case DType::uint64:
      return use(std::uint64_t{});
    case DType::int64:
      return use(std::int64_t{});
    case DType::float16:
      return use(c10::Half{});
    case DType::bfloat16:
      return use(c10::BFloat16{});
    case DType::float32:
      return use(float{});
    case DType::float64:
      return use(double{});
  }
}

std::string text_of(const Number& number) {
  std::string text;
  std::visit(
      [&text](auto value) {
        if constexpr (std::is_same_v<decltype(value), bool>) {
          text = value ? "true" : "false";
        } else {
          std::array<char, 32> buffer;
          text.assign(buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr);
        }
      },
      number);
  return text;
}

// False if it does not fit.
template <typename To>
bool convert(const Number& number, To& to) {
  return std::visit(
      [&to](auto value) {
        using From = decltype(value);
        if constexpr (std::is_same_v<To, bool>) {
          if constexpr (!std::is_same_v<From, bool>) {
            if (value != 0 && value != 1) return false;
          }
          to = value != 0;
        } else if constexpr (std::is_integral_v<To>) {
          if constexpr (std::is_same_v<From, bool>) {
            to = value ? 1 : 0;
          } else if constexpr (std::is_same_v<From, double>) {
            // Within 2^63 the comparison is exact; whole numbers that JSON writes as 3.0 or 1e3 are taken.
            if (value != std::floor(value) || std::abs(value) >= 0x1p63) return false;
            const auto whole = static_cast<std::int64_t>(value);
            if (!std::in_range<To>(whole)) return false;
            to = static_cast<To>(whole);
          } else {
            if (!std::in_range<To>(value)) return false;
            to = static_cast<To>(value);
          }
        } else {
          const auto wide = static_cast<double>(value);
          if constexpr (std::is_same_v<To, double>) {
            to = wide;
          } else {
            const auto single = static_cast<float>(wide);
            to = static_cast<To>(single);
            if (std::isinf(static_cast<float>(to))) return false;
          }
        }
        return true;
      },
      number);
}

std::string range_text(DType dtype) {
  std::string text = "a " + std::string(name_of(dtype)) + " number";
  with_type(dtype, [&text](auto value) {
    using Type = decltype(value);
    if constexpr (std::is_same_v<Type, bool>) {
      text = "true, false, 0 or 1";
    } else if constexpr (std::is_integral_v<Type>) {
      text = "a whole number from " + std::to_string(std::numeric_limits<Type>::min()) + " to " +
             std::to_string(std::numeric_limits<Type>::max());
    }
  });
  return text;
}

template <typename Type>
void append_number(std::string& text, Type value) {
  if constexpr (std::is_same_v<Type, bool>) {
    text += value ? "true" : "false";
  } else if constexpr (std::is_same_v<Type, c10::Half> || std::is_same_v<Type, c10::BFloat16>) {
    append_number(text, static_cast<float>(value));
  } else {
    if constexpr (std::is_floating_point_v<Type>) {
      if (!std::isfinite(value)) {
        text += "null";
        return;
      }
    }
    std::array<char, 32> buffer;
    text.append(buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr);
  }
}

template <typename Type>
const char* append_array(std::string& text, const char* at, const std::vector<std::int64_t>& shape, std::size_t axis) {
  if (axis == shape.size()) {
    Type value;
    std::memcpy(&value, at, sizeof value);
    append_number(text, value);
    return at + sizeof value;
  }
  text += '[';
  for (std::int64_t i = 0; i < shape[axis]; ++i) {
    if (i > 0) text += ',';
    at = append_array<Type>(text, at, shape, axis + 1);
  }
  text += ']';
  return at;
}

}  // namespace

std::int64_t TensorSpec::elements() const {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  return count;
}

std::size_t TensorSpec::bytes() const { return static_cast<std::size_t>(elements()) * size_of(dtype); }

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (const std::int64_t extent : shape) text += (text.size() == 1 ? "" : ", ") + std::to_string(extent);
  return text + "]";
}

std::vector<std::int64_t> with_batch(std::int64_t rows, const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> all{rows};
  all.insert(all.end(), shape.begin(), shape.end());
  return all;
}

std::string to_bytes(const std::vector<Number>& values, DType dtype, const std::string& where) {
  std::string bytes(values.size() * size_of(dtype), '\0');
  with_type(dtype, [&](auto value) {
    char* at = bytes.data();
    for (std::size_t i = 0; i < values.size(); ++i, at += sizeof value) {
      if (!convert(values[i], value)) {
        throw RequestError(400, where + ": value " + std::to_string(i) + " (counted from 0) is " + text_of(values[i]) +
                                    "; it must be " + range_text(dtype));
      }
      std::memcpy(at, &value, sizeof value);
    }
  });
  return bytes;
}

void append_json(std::string& text, std::string_view bytes, DType dtype, const std::vector<std::int64_t>& shape) {
  with_type(dtype, [&](auto value) { append_array<decltype(value)>(text, bytes.data(), shape, 0); });
}

std::string_view protocol_name(DType dtype) {
  switch (dtype) {
    case DType::boolean:
      return "BOOL";
    case DType::uint8:
      return "UINT8";
    case DType::int8:
      return "INT8";
    case DType::uint16:
      return "UINT16";
    case DType::int16:
      return "INT16";
    case DType::uint32:
      return "UINT32";
    case DType::int32:
      return "INT32";
    case DType::uint64:
      return "UINT64";
    case DType::int64:
      return "INT64";
    case DType::float16:
      return "FP16";
    case DType::bfloat16:
      return "BF16";
    case DType::float32:
      return "FP32";
    case DType::float64:
      return "FP64";
  }
  return "?";
}

}  // namespace shardmill::serve
