#include <algorithm>
#include <cmath>

#include "serve/api.hpp"

namespace shardmill::serve {
namespace {

// A whole number that is not negative, or none.
std::optional<std::int64_t> whole(const Number& number) {
  if (const auto* small = std::get_if<std::int64_t>(&number)) return *small < 0 ? std::nullopt : std::optional(*small);
  const auto* large = std::get_if<std::uint64_t>(&number);
  if (large == nullptr || *large > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  return static_cast<std::int64_t>(*large);
}
std::optional<std::int64_t> whole(const JsonValue& value) {
  const Number* number = value.number();
  return number == nullptr ? std::nullopt : whole(*number);
}

std::optional<bool> flag(const JsonObject* parameters, std::string_view key) {
  const JsonValue* value = parameters == nullptr ? nullptr : parameters->find(key);
  if (value == nullptr) return std::nullopt;
  const Number* number = value->number();
  if (number == nullptr || !std::holds_alternative<bool>(*number))
    throw RequestError(400, "the parameter " + std::string(key) + " must be true or false");
  return std::get<bool>(*number);
}

const JsonObject* parameters_of(const JsonObject& object) {
  const JsonValue* value = object.find("parameters");
  if (value == nullptr) return nullptr;
  if (value->as<JsonObject>() == nullptr)
    throw RequestError(400, "\"parameters\" must be an object; it is " + value->description());
  return value->as<JsonObject>();
}

const std::string& text_of(const JsonObject& object, std::string_view key, const std::string& where) {
  const JsonValue* value = object.find(key);
  if (value == nullptr || value->as<std::string>() == nullptr)
    throw RequestError(400, where + " needs \"" + std::string(key) + "\", a text");
  return *value->as<std::string>();
}

// An array of objects; an empty array is an array of numbers to the parser.
std::vector<const JsonObject*> objects_of(const JsonValue& value, const std::string& where) {
  std::vector<const JsonObject*> objects;
  const auto* numbers = value.as<NumberArray>();
  if (numbers != nullptr && numbers->shape == std::vector<std::int64_t>{0}) return objects;
  const auto* list = value.as<JsonList>();
  if (list == nullptr) throw RequestError(400, where + " must be a list of objects; it is " + value.description());
  for (const JsonValue& item : list->items) {
    if (item.as<JsonObject>() == nullptr)
      throw RequestError(400, where + " must be a list of objects; it holds " + item.description());
    objects.push_back(item.as<JsonObject>());
  }
  return objects;
}

std::int64_t rows_of(const JsonObject& object, const TensorSpec& input, const std::string& where) {
  const JsonValue* shape = object.find("shape");
  const auto* array = shape == nullptr ? nullptr : shape->as<NumberArray>();
  const std::string expected = where + " needs \"shape\": " + shape_text(with_batch(-1, input.shape));
  if (array == nullptr || array->shape.size() != 1) throw RequestError(400, expected + ", the first being its records");
  std::vector<std::int64_t> extents;
  for (const Number& number : array->values) {
    const auto extent = whole(number);
    if (!extent) throw RequestError(400, expected + ", of whole numbers");
    extents.push_back(*extent);
  }
  if (extents.size() != input.shape.size() + 1 ||
      !std::equal(input.shape.begin(), input.shape.end(), extents.begin() + 1))
    throw RequestError(400, expected + "; it is " + shape_text(extents));
  return extents[0];
}

// The inputs of a request, taking binary data from the body's end, in their order.
class InputReader {
 public:
  InputReader(const ModelSpec& model, std::string_view binary) : model_(model), binary_(binary) {}

  void read(const JsonObject& object, Query& query, std::vector<bool>& there) {
    const std::string& name = text_of(object, "name", "an input");
    const auto found = std::find_if(model_.inputs.begin(), model_.inputs.end(),
                                    [&](const TensorSpec& input) { return input.name == name; });
    if (found == model_.inputs.end()) throw RequestError(400, "there is no input " + json_quoted(name));
    const TensorSpec& input = *found;
    const auto index = static_cast<std::size_t>(found - model_.inputs.begin());
    const std::string where = "the input '" + name + "'";
    if (there[index]) throw RequestError(400, where + " is there twice");
    const std::string& datatype = text_of(object, "datatype", where);
    if (datatype != protocol_name(input.dtype)) {
      throw RequestError(400, where + " must have the datatype " + std::string(protocol_name(input.dtype)) + ", not " +
                                  json_quoted(datatype));
    }
    const std::int64_t rows = rows_of(object, input, where);
    check_rows(rows, model_, where);
    const bool first = std::find(there.begin(), there.end(), true) == there.end();
    if (!first && rows != query.rows) throw RequestError(400, where + " has not as many records as the others");
    query.rows = rows;
    there[index] = true;
    query.inputs[index] = content(object, input, rows, where);
  }
  std::size_t binary_left() const { return binary_.size(); }

 private:
  std::string content(const JsonObject& object, const TensorSpec& input, std::int64_t rows, const std::string& where) {
    const JsonObject* parameters = parameters_of(object);
    const JsonValue* size = parameters == nullptr ? nullptr : parameters->find("binary_data_size");
    const JsonValue* data = object.find("data");
    if ((size == nullptr) == (data == nullptr))
      throw RequestError(400, where + " needs either \"data\" or the parameter binary_data_size");
    if (size != nullptr) {
      const std::size_t bytes = input.bytes() * static_cast<std::size_t>(rows);
      const auto given = whole(*size);
      if (!given || static_cast<std::uint64_t>(*given) != bytes)
        throw RequestError(
            400, where + " has " + std::to_string(bytes) + " bytes by its shape; binary_data_size must say so");
      if (bytes > binary_.size())
        throw RequestError(400, where + " has " + std::to_string(bytes) + " bytes, but the body has only " +
                                    std::to_string(binary_.size()) + " left");
      std::string taken(binary_.substr(0, bytes));
      binary_.remove_prefix(bytes);
      if (input.dtype == DType::boolean) {
        for (char& value : taken) value = value == 0 ? 0 : 1;
      }
      return taken;
    }
    const auto* array = data->as<NumberArray>();
    const std::int64_t elements = rows * input.elements();
    if (array == nullptr || static_cast<std::int64_t>(array->values.size()) != elements ||
        (array->shape.size() != 1 && array->shape != with_batch(rows, input.shape))) {
      throw RequestError(
          400, where + ": \"data\" must be an array of " + std::to_string(elements) + " numbers, flat or in its shape");
    }
    return to_bytes(array->values, input.dtype, where);
  }

  const ModelSpec& model_;
  std::string_view binary_;
};

void read_outputs(const JsonObject& root, const ModelSpec& model, bool binary, Query& query) {
  const JsonValue* outputs = root.find("outputs");
  const auto objects = outputs == nullptr ? std::vector<const JsonObject*>{} : objects_of(*outputs, "\"outputs\"");
  if (objects.empty()) {
    for (std::size_t i = 0; i < model.outputs.size(); ++i) query.wanted.push_back({i, binary});
    return;
  }
  for (const JsonObject* object : objects) {
    const std::string& name = text_of(*object, "name", "an output");
    const auto found = std::find_if(model.outputs.begin(), model.outputs.end(),
                                    [&](const TensorSpec& output) { return output.name == name; });
    if (found == model.outputs.end()) throw RequestError(400, "there is no output " + json_quoted(name));
    const JsonObject* parameters = parameters_of(*object);
    const auto index = static_cast<std::size_t>(found - model.outputs.begin());
    for (const Query::Wanted& other : query.wanted) {
      if (other.output == index) throw RequestError(400, "the output '" + name + "' is wanted twice");
    }
    const JsonValue* classes = parameters == nullptr ? nullptr : parameters->find("classification");
    if (classes != nullptr && whole(*classes).value_or(1) != 0)
      throw RequestError(400, "the classification extension is not there; ask for the output itself");
    query.wanted.push_back({index, flag(parameters, "binary_data").value_or(binary)});
  }
}

}  // namespace

Query read_infer(std::string_view body, std::optional<std::size_t> json_bytes, const ModelSpec& model) {
  if (json_bytes.value_or(0) > body.size())
    throw RequestError(400, "Inference-Header-Content-Length is more than the body has");
  const std::size_t json_size = json_bytes.value_or(body.size());
  const JsonValue value = parse_json(body.substr(0, json_size), limits_of(model));
  const auto* root = value.as<JsonObject>();
  if (root == nullptr) throw RequestError(400, "the body must be an object; it is " + value.description());
  Query query;
  query.inputs.resize(model.inputs.size());
  if (const JsonValue* id = root->find("id")) {
    if (id->as<std::string>() == nullptr) throw RequestError(400, "\"id\" must be a text; it is " + id->description());
    query.id = json_quoted(*id->as<std::string>());
  }
  const JsonObject* parameters = parameters_of(*root);
  if (const JsonValue* timeout = parameters == nullptr ? nullptr : parameters->find("timeout")) {
    const auto microseconds = whole(*timeout);
    if (!microseconds) throw RequestError(400, "the parameter timeout must be a whole number of microseconds");
    if (*microseconds > 0) query.timeout = static_cast<double>(*microseconds) * 1e-6;
  }
  const JsonValue* inputs = root->find("inputs");
  if (inputs == nullptr) throw RequestError(400, "the key \"inputs\" is missing");
  InputReader reader(model, body.substr(json_size));
  std::vector<bool> there(model.inputs.size());
  for (const JsonObject* input : objects_of(*inputs, "\"inputs\"")) reader.read(*input, query, there);
  for (std::size_t i = 0; i < there.size(); ++i) {
    if (!there[i]) throw RequestError(400, "the input '" + model.inputs[i].name + "' is missing");
  }
  if (reader.binary_left() > 0)
    throw RequestError(400, "the body has " + std::to_string(reader.binary_left()) + " bytes more than its inputs");
  read_outputs(*root, model, flag(parameters, "binary_data_output").value_or(false), query);
  return query;
}

Body write_infer(const Query& query, const Outcome& outcome, const ModelSpec& model) {
  Body body;
  std::string binary;
  body.text = "{\"model_name\":" + json_quoted(model.name) + ",\"model_version\":\"1\",";
  if (!query.id.empty()) body.text += "\"id\":" + query.id + ",";
  body.text += "\"outputs\":[";
  bool any_binary = false;
  for (const Query::Wanted& wanted : query.wanted) {
    const TensorSpec& output = model.outputs[wanted.output];
    const std::string& bytes = outcome.outputs[wanted.output];
    const auto shape = with_batch(query.rows, output.shape);
    body.text += body.text.back() == '[' ? "" : ",";
    body.text += "{\"name\":" + json_quoted(output.name) + ",\"datatype\":\"" +
                 std::string(protocol_name(output.dtype)) + "\",\"shape\":" + shape_text(shape);
    if (wanted.binary) {
      any_binary = true;
      body.text += ",\"parameters\":{\"binary_data_size\":" + std::to_string(bytes.size()) + "}}";
      binary += bytes;
    } else {
      body.text += ",\"data\":";
      append_json(body.text, bytes, output.dtype, {query.rows * output.elements()});
      body.text += '}';
    }
  }
  body.text += "]}";
  if (any_binary) {
    body.json_bytes = body.text.size();
    body.type = "application/octet-stream";
    body.text += binary;
  }
  return body;
}

Body model_metadata(const ModelSpec& model, std::string_view platform) {
  Body body;
  const auto tensors = [](const std::vector<TensorSpec>& specs) {
    std::string text = "[";
    for (const TensorSpec& spec : specs) {
      text += (text.size() == 1 ? "{\"name\":" : ",{\"name\":") + json_quoted(spec.name) + ",\"datatype\":\"" +
              std::string(protocol_name(spec.dtype)) + "\",\"shape\":" + shape_text(with_batch(-1, spec.shape)) + "}";
    }
    return text + "]";
  };
  body.text = "{\"name\":" + json_quoted(model.name) + ",\"versions\":[\"1\"],\"platform\":" + json_quoted(platform) +
              ",\"inputs\":" + tensors(model.inputs) + ",\"outputs\":" + tensors(model.outputs) + "}\n";
  return body;
}

}  // namespace shardmill::serve
