// Records as bytes: from the numbers of a request, and back to text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "job/dtype.hpp"
#include "serve/json_value.hpp"

namespace shardmill::serve {

// An input or output of the model: what one record of it is.
struct TensorSpec {
  std::string name;
  DType dtype = DType::float32;
  std::vector<std::int64_t> shape;  // of a record

  std::int64_t elements() const;  // of a record
  std::size_t bytes() const;      // of a record
};

// "[2, 3]", with a batch of unknown size in front: "[-1, 2, 3]".
std::string shape_text(const std::vector<std::int64_t>& shape);
std::vector<std::int64_t> with_batch(std::int64_t rows, const std::vector<std::int64_t>& shape);

// The values in the type, little-endian. Nothing is rounded but decimal numbers, to the nearest of a floating type;
// true and false are 1 and 0. Throws RequestError (400) if a value does not fit, naming it by `where` and its index.
std::string to_bytes(const std::vector<Number>& values, DType dtype, const std::string& where);

// Appends nested arrays of `shape`; the bytes hold exactly its elements. Floats have the fewest digits that read back
// as the same value; JSON has no NaN and no Inf: they are null.
void append_json(std::string& text, std::string_view bytes, DType dtype, const std::vector<std::int64_t>& shape);

// The names that the Open Inference Protocol has for types: "FP32".
std::string_view protocol_name(DType dtype);

}  // namespace shardmill::serve
