#include <algorithm>

#include "serve/api.hpp"

namespace shardmill::serve {
namespace {

std::string names_of(const std::vector<TensorSpec>& tensors) {
  std::string text;
  for (const TensorSpec& tensor : tensors) text += (text.empty() ? "'" : ", '") + tensor.name + "'";
  return text;
}

std::string expected(const TensorSpec& input) {
  return "one record of the shape " + shape_text(input.shape) + " or a batch " +
         shape_text(with_batch(-1, input.shape)) + " of " + std::string(name_of(input.dtype));
}

// rows, and whether it is a record by itself.
std::pair<std::int64_t, bool> rows_of(const JsonValue& value, const TensorSpec& input, const std::string& where) {
  const auto* array = value.as<NumberArray>();
  if (array == nullptr)
    throw RequestError(400, where + " must be " + expected(input) + ", as nested arrays; it is " + value.description());
  if (array->shape == input.shape) return {1, true};
  const bool batch = array->shape.size() == input.shape.size() + 1 &&
                     std::equal(input.shape.begin(), input.shape.end(), array->shape.begin() + 1);
  const bool empty = array->shape.size() == 1 && array->shape[0] == 0;
  if (!batch && !empty)
    throw RequestError(400, where + " must be " + expected(input) + "; it has the shape " + shape_text(array->shape));
  return {array->shape[0], false};
}

}  // namespace

JsonLimits limits_of(const ModelSpec& model) {
  JsonLimits limits;
  limits.numbers = 1024;  // for what a request has beside its tensors, and a little more, to say how much it is
  for (const TensorSpec& input : model.inputs) {
    limits.numbers += static_cast<std::size_t>(input.elements()) * static_cast<std::size_t>(model.max_batch_size + 1);
  }
  return limits;
}

void check_rows(std::int64_t rows, const ModelSpec& model, const std::string& where) {
  if (rows < 1) throw RequestError(400, where + " holds no record");
  if (rows > model.max_batch_size) {
    throw RequestError(400, where + " holds " + std::to_string(rows) + " records; a request may have " +
                                std::to_string(model.max_batch_size) + " at most");
  }
}

Query read_predict(std::string_view body, const ModelSpec& model) {
  const JsonValue root = parse_json(body, limits_of(model));
  const auto* object = root.as<JsonObject>();
  if (object == nullptr)
    throw RequestError(400, "the body must be an object, {\"inputs\": ...}; it is " + root.description());
  for (const auto& [key, value] : object->items) {
    if (key != "inputs") throw RequestError(400, "unknown key " + json_quoted(key) + "; there is \"inputs\"");
  }
  const JsonValue* inputs = object->find("inputs");
  if (inputs == nullptr) throw RequestError(400, "the key \"inputs\" is missing");
  const auto* by_name = inputs->as<JsonObject>();
  if (by_name == nullptr && model.inputs.size() != 1) {
    throw RequestError(400, "\"inputs\" must be an object with the inputs " + names_of(model.inputs) + "; it is " +
                                inputs->description());
  }
  if (by_name != nullptr) {
    for (const auto& [key, value] : by_name->items) {
      const bool known = std::any_of(model.inputs.begin(), model.inputs.end(),
                                     [&key = key](const TensorSpec& input) { return input.name == key; });
      if (!known)
        throw RequestError(400, "there is no input " + json_quoted(key) + "; inputs: " + names_of(model.inputs));
    }
  }
  Query query;
  for (std::size_t i = 0; i < model.inputs.size(); ++i) {
    const TensorSpec& input = model.inputs[i];
    const JsonValue* value = by_name != nullptr ? by_name->find(input.name) : inputs;
    if (value == nullptr) throw RequestError(400, "the input '" + input.name + "' is missing");
    const std::string where = "the input '" + input.name + "'";
    const auto [rows, lone] = rows_of(*value, input, where);
    check_rows(rows, model, where);
    if (i > 0 && (rows != query.rows || lone != query.lone))
      throw RequestError(400, where + " has not as many records as '" + model.inputs[0].name + "'");
    query.rows = rows;
    query.lone = lone;
    query.inputs.push_back(to_bytes(value->as<NumberArray>()->values, input.dtype, where));
  }
  return query;
}

Body write_predict(const Query& query, const Outcome& outcome, const ModelSpec& model) {
  Body body;
  body.text = "{\"outputs\":{";
  for (std::size_t i = 0; i < model.outputs.size(); ++i) {
    const TensorSpec& output = model.outputs[i];
    body.text += (i == 0 ? "" : ",") + json_quoted(output.name) + ":";
    append_json(body.text, outcome.outputs[i], output.dtype,
                query.lone ? output.shape : with_batch(query.rows, output.shape));
  }
  body.text += "}}\n";
  return body;
}

Body write_error(std::string_view message) {
  Body body;
  body.text = "{\"error\":" + json_quoted(message) + "}\n";
  return body;
}

}  // namespace shardmill::serve
