// The paths that no rank is needed for.
#include "job/names.hpp"
#include "serve/replies.hpp"
#include "serve/service.hpp"

namespace shardmill::serve {
namespace {

constexpr std::string_view version = "1";  // of every model, as the protocol counts them: there is one
const std::string models = "/v2/models/";
const std::string repository = "/v2/repository/models/";

std::string list(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ",") + json_quoted(text);
  return "[" + out + "]";
}

// The model that a reload is for, by the body {"model": "name"}; an empty one is for all.
std::optional<std::string> reload_body(const std::string& body) {
  if (body.empty()) return std::nullopt;
  const JsonValue root = parse_json(body, {});
  const auto* object = root.as<JsonObject>();
  const JsonValue* model = object == nullptr ? nullptr : object->find("model");
  if (object != nullptr && object->items.empty()) return std::nullopt;
  if (model == nullptr || model->as<std::string>() == nullptr || object->items.size() != 1)
    throw RequestError(400, "the body must be empty, for all models, or {\"model\": \"name\"}");
  return *model->as<std::string>();
}

}  // namespace

// "/v2/models/NAME[/versions/1][/...]"; none if it is another path.
std::optional<Service::OfModel> Service::protocol_path(const std::string& path) const {
  if (!path.starts_with(models)) return std::nullopt;
  std::string rest = path.substr(models.size());
  if (rest.ends_with('/')) rest.pop_back();
  const std::string name = rest.substr(0, rest.find('/'));
  const std::size_t model = find(name);
  rest = rest.substr(name.size());
  const std::string versions = "/versions/";
  if (rest.starts_with(versions)) {
    rest = rest.substr(versions.size());
    const std::string asked = rest.substr(0, rest.find('/'));
    if (asked != version)
      throw RequestError(404, "there is no version " + json_quoted(asked) + " of the model; there is 1");
    rest = rest.substr(asked.size());
  }
  return OfModel{model, rest};
}

HttpReply Service::ready(const HttpRequest& request, bool is_ready) const {
  allow(request, "GET");
  return json_reply(is_ready ? 200 : 503, is_ready ? "{\"ready\":true}\n" : "{\"ready\":false}\n");
}

HttpReply Service::of_model(const HttpRequest& request, const OfModel& place) const {
  const auto conditions = board_.conditions();
  if (place.rest == "/ready") return ready(request, conditions->ready(place.model));
  if (!place.rest.empty()) throw RequestError(404, "there is no " + request.path);
  allow(request, "GET");
  const auto& spec = conditions->models[place.model].spec;
  if (!spec) return error_reply(503, "the model is being loaded");
  const std::string platform = "pytorch_" + std::string(job::name_of(job_.serve.models[place.model].model.format));
  return json_reply(200, model_metadata(*spec, platform).text);
}

HttpReply Service::answer(const HttpRequest& request) {
  std::string path = request.path;
  if (path.size() > 1 && path.ends_with('/')) path.pop_back();
  if (path == "/v2/health/ready") return ready(request, board_.conditions()->ready());
  if (path == "/v2/repository/index") return index(request);
  HttpReply reply;
  if (path == "/") {
    reply = {200, std::string(page_html()), "text/html; charset=utf-8", {}};
  } else if (path == "/metrics") {
    reply = {200, metrics(), "text/plain; version=0.0.4; charset=utf-8", {}};
  } else if (path == "/openapi.json") {
    std::vector<ModelSpec> specs;
    for (std::size_t model = 0; model < inputs_.size(); ++model) specs.push_back(spec(model));
    reply = json_reply(200, openapi_json(job_.name, specs));
  } else if (path == "/v2") {
    reply = json_reply(200, std::string("{\"name\":\"shardmill\",\"version\":\"") + SHARDMILL_VERSION +
                                "\",\"extensions\":[\"binary_tensor_data\",\"model_repository\"]}\n");
  } else if (path == "/v2/health/live") {
    reply = json_reply(200, "{\"live\":true}\n");
  } else {
    throw RequestError(404, "there is no " + request.path +
                                "; there are /, /predict, /metrics, /openapi.json, /admin/reload, /v2/health/live, "
                                "/v2/health/ready and " +
                                models + inputs_[0].name);
  }
  allow(request, "GET");
  return reply;
}

// The protocol's model repository extension.
HttpReply Service::index(const HttpRequest& request) const {
  allow(request, "POST");
  const auto conditions = board_.conditions();
  std::string text = "[";
  for (std::size_t model = 0; model < inputs_.size(); ++model) {
    const bool is_ready = conditions->ready(model);
    text += (model == 0 ? "" : ",") + std::string("{\"name\":") + json_quoted(inputs_[model].name) +
            ",\"version\":\"1\",\"state\":\"" + (is_ready ? "READY" : "UNAVAILABLE") + "\",\"reason\":\"" +
            (is_ready ? "" : "no rank is ready") + "\"}";
  }
  return json_reply(200, text + "]\n");
}

bool Service::reload(const HttpRequest& request, const Respond& respond) {
  std::optional<std::string> name;
  const bool by_protocol = request.path.starts_with(repository) && request.path.ends_with("/load");
  if (by_protocol) {
    name = request.path.substr(repository.size(), request.path.size() - repository.size() - 5);
  } else if (request.path != "/admin/reload") {
    return false;
  }
  allow(request, "POST");
  if (!by_protocol) name = reload_body(request.body);
  ReloadWish wish;
  if (name) wish.model = find(*name);
  wish.done = [respond](const ReloadOutcome& outcome) {
    if (outcome.problems.empty()) return respond(json_reply(200, "{\"reloaded\":" + list(outcome.reloaded) + "}\n"));
    std::string sentence;
    for (const std::string& problem : outcome.problems) sentence += (sentence.empty() ? "" : "; ") + problem;
    respond(json_reply(409, "{\"error\":" + json_quoted(sentence) + ",\"reloaded\":" + list(outcome.reloaded) + "}\n"));
  };
  board_.submit(std::move(wish));
  return true;
}

}  // namespace shardmill::serve
