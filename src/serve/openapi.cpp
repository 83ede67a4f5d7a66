#include <nlohmann/json.hpp>

#include "serve/service.hpp"

namespace shardmill::serve {
namespace {

using Json = nlohmann::ordered_json;

// Nested arrays of numbers.
Json tensor(const std::vector<std::int64_t>& shape, DType dtype) {
  const bool floating =
      dtype == DType::float16 || dtype == DType::bfloat16 || dtype == DType::float32 || dtype == DType::float64;
  Json schema{{"type", floating ? "number" : dtype == DType::boolean ? "boolean" : "integer"}};
  for (auto extent = shape.rbegin(); extent != shape.rend(); ++extent) {
    Json array{{"type", "array"}, {"items", std::move(schema)}};
    if (*extent > 0) array["minItems"] = array["maxItems"] = *extent;
    schema = std::move(array);
  }
  return schema;
}

Json either(const TensorSpec& spec) {
  return {{"description", "One record, or a batch."},
          {"anyOf", Json::array({tensor(spec.shape, spec.dtype), tensor(with_batch(-1, spec.shape), spec.dtype)})}};
}

Json named(const std::vector<TensorSpec>& specs) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const TensorSpec& spec : specs) {
    properties[spec.name] = either(spec);
    required.push_back(spec.name);
  }
  return {{"type", "object"}, {"properties", properties}, {"required", required}};
}

Json content(Json schema) { return {{"application/json", {{"schema", std::move(schema)}}}}; }

Json answers(Json ok) {
  const Json error{{"type", "object"}, {"properties", {{"error", {{"type", "string"}}}}}, {"required", {"error"}}};
  Json responses{{"200", std::move(ok)}};
  for (const auto& [status, what] :
       {std::pair{"400", "The request is not what the model takes."}, std::pair{"413", "The body is too large."},
        std::pair{"422", "The model cannot compute a record of the request."},
        std::pair{"429", "Too many requests are waiting; see Retry-After."},
        std::pair{"500", "The request killed the model's process, each time."},
        std::pair{"503", "No rank is ready; see Retry-After."}, std::pair{"504", "The request's timeout has passed."}})
    responses[status] = {{"description", what}, {"content", content(error)}};
  return responses;
}

Json timeout_header() {
  return {{"name", "Request-Timeout"},
          {"in", "header"},
          {"description", "Seconds in which the answer is wanted."},
          {"schema", {{"type", "number"}}}};
}

Json get(const char* summary, const char* type) {
  return {{"get",
           {{"summary", summary},
            {"responses", {{"200", {{"description", "OK"}, {"content", {{type, Json::object()}}}}}}}}}};
}

Json predict(const ModelSpec& model) {
  Json inputs = named(model.inputs);
  if (model.inputs.size() == 1) inputs = {{"anyOf", Json::array({inputs, either(model.inputs[0])})}};
  const Json body{{"type", "object"}, {"properties", {{"inputs", inputs}}}, {"required", {"inputs"}}};
  const Json answer{{"type", "object"}, {"properties", {{"outputs", named(model.outputs)}}}};
  return {{"summary", "Compute one record or a batch"},
          {"parameters", Json::array({timeout_header()})},
          {"requestBody", {{"required", true}, {"content", content(body)}}},
          {"responses", answers({{"description", "The outputs, by name"}, {"content", content(answer)}})}};
}

Json infer() {
  return {{"summary", "Compute a batch, by the Open Inference Protocol, version 2"},
          {"parameters", Json::array({timeout_header()})},
          {"requestBody",
           {{"required", true},
            {"content", {{"application/json", Json::object()}, {"application/octet-stream", Json::object()}}}}},
          {"responses", answers({{"description", "The outputs"}, {"content", content({{"type", "object"}})}})}};
}

Json reload() {
  Json responses;
  responses["200"] = {{"description", "The new models serve."}, {"content", content({{"type", "object"}})}};
  responses["409"] = {{"description", "A new model cannot be used; the old one serves on."},
                      {"content", content({{"type", "object"}})}};
  return {{"summary", "Load models again from their files"}, {"responses", responses}};
}

}  // namespace

std::string openapi_json(const std::string& title, const std::vector<ModelSpec>& models) {
  Json document{{"openapi", "3.1.0"}, {"info", {{"title", title}, {"version", SHARDMILL_VERSION}}}};
  Json& paths = document["paths"];
  paths["/predict"]["post"] = predict(models[0]);
  for (const ModelSpec& model : models) {
    const std::string path = "/v2/models/" + model.name;
    if (models.size() > 1) paths["/predict/" + model.name]["post"] = predict(model);
    paths[path + "/infer"]["post"] = infer();
    paths[path] = get("The model's inputs and outputs", "application/json");
    paths[path + "/ready"] = get("Whether the model can be used now", "application/json");
  }
  paths["/v2"] = get("The server", "application/json");
  paths["/v2/health/live"] = get("Whether the server runs", "application/json");
  paths["/v2/health/ready"] = get("Whether the server can compute now", "application/json");
  paths["/v2/repository/index"]["post"] = get("The models", "application/json")["get"];
  paths["/admin/reload"]["post"] = reload();
  paths["/metrics"] = get("Figures for Prometheus", "text/plain");
  paths["/"] = get("A page to try the models", "text/html");
  return document.dump(1) + "\n";
}

}  // namespace shardmill::serve
