#include "serve/service.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "serve/replies.hpp"

namespace shardmill::serve {
namespace {

// Seconds, from the header Request-Timeout.
std::optional<double> timeout_header(const HttpRequest& request) {
  const auto text = request.header("Request-Timeout");
  if (!text) return std::nullopt;
  double seconds = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), seconds);
  if (error != std::errc() || end != text->data() + text->size() || !std::isfinite(seconds) || seconds <= 0)
    throw RequestError(400, "the header Request-Timeout must be a number of seconds above 0");
  return seconds;
}

std::optional<std::size_t> json_bytes_header(const HttpRequest& request) {
  const auto text = request.header("Inference-Header-Content-Length");
  if (!text) return std::nullopt;
  std::size_t bytes = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), bytes);
  if (error != std::errc() || end != text->data() + text->size())
    throw RequestError(400, "the header Inference-Header-Content-Length must be a number of bytes");
  return bytes;
}

// What needs no token: load balancers ask for health, and browsers cannot send one for a page (the page then does).
bool is_open(const std::string& path) { return path == "/" || path == "/v2/health/live" || path == "/v2/health/ready"; }

}  // namespace

std::vector<TensorSpec> input_specs(const job::ServedModel& served) {
  std::vector<TensorSpec> specs;
  for (const job::ServeInput& input : served.inputs) specs.push_back({input.name, input.dtype, input.shape});
  return specs;
}

Service::Service(const job::Job& job, Board& board, std::function<double()> clock)
    : job_(job), board_(board), clock_(std::move(clock)) {
  for (const job::ServedModel& served : job.serve.models)
    inputs_.push_back({served.name, input_specs(served), {}, served.max_batch_size});
  figures_.durations.resize(inputs_.size());
}

void Service::count(int status) { figures_.count(status); }

void Service::set_tokens(std::shared_ptr<const Tokens> tokens) { tokens_ = std::move(tokens); }

std::optional<HttpReply> Service::admit(const HttpRequest& request) {
  if (!tokens_ || is_open(request.path)) return std::nullopt;
  if (tokens_->admit(request.header("Authorization").value_or(""))) return std::nullopt;
  count(401);
  HttpReply reply = error_reply(401, "this needs a token that the server knows: the header Authorization: Bearer ...");
  reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  return reply;
}

std::size_t Service::find(const std::string& name) const {
  std::string known;
  for (std::size_t model = 0; model < inputs_.size(); ++model) {
    if (inputs_[model].name == name) return model;
    known += (known.empty() ? "'" : ", '") + inputs_[model].name + "'";
  }
  throw RequestError(404, "there is no model " + json_quoted(name) + "; there is " + known);
}

ModelSpec Service::spec(std::size_t model) const {
  const auto spec = board_.conditions()->models[model].spec;
  return spec ? *spec : inputs_[model];
}

void Service::handle(HttpRequest request, const Respond& respond) {
  const Respond counted = [this, respond](HttpReply reply) {
    count(reply.status);
    respond(std::move(reply));
  };
  bool posts = true;
  try {
    const auto coding = request.header("Content-Encoding");
    if (coding && *coding != "identity")
      throw RequestError(415, "bodies are taken as they are, without Content-Encoding");
    const std::string predict = "/predict";
    if (request.path == predict || request.path.starts_with(predict + "/")) {
      const std::size_t model = request.path == predict ? 0 : find(request.path.substr(predict.size() + 1));
      allow(request, "POST");
      return compute(
          model, request, counted,
          [](const HttpRequest& r, const ModelSpec& spec) { return read_predict(r.body, spec); }, write_predict);
    }
    const auto place = protocol_path(request.path);
    if (place && place->rest == "/infer") {
      allow(request, "POST");
      return compute(
          place->model, request, counted,
          [](const HttpRequest& r, const ModelSpec& spec) { return read_infer(r.body, json_bytes_header(r), spec); },
          write_infer);
    }
    if (reload(request, counted)) return;
    posts = request.path == "/v2/repository/index";
    counted(place ? of_model(request, *place) : answer(request));
  } catch (const RequestError& error) {
    HttpReply reply = error_reply(error.status(), error.what());
    if (error.status() == 405) reply.headers.emplace_back("Allow", posts ? "POST" : "GET");
    counted(std::move(reply));
  }
}

void Service::compute(std::size_t model, const HttpRequest& request, const Respond& respond, const Read& read,
                      const Write& write) {
  const double began = clock_();
  const ModelConditions conditions = board_.conditions()->models[model];
  // Wrong before not ready: a client that asks the wrong thing should not come again.
  auto query = std::make_shared<Query>(read(request, conditions.spec ? *conditions.spec : inputs_[model]));
  if (!conditions.can_compute()) return respond(error_reply(503, "no rank is ready"));
  double timeout = job_.serve.timeout;
  for (const auto& wanted : {timeout_header(request), query->timeout}) {
    if (wanted) timeout = std::min(timeout, *wanted);
  }
  Request task;
  task.model = model;
  task.rows = query->rows;
  task.inputs = std::move(query->inputs);
  task.arrived = began;
  task.deadline = began + timeout;
  task.answer = [this, model, respond, query, spec = conditions.spec, write, began](const Outcome& outcome) {
    figures_.durations[model].add(clock_() - began);
    if (outcome.status != 200) return respond(error_reply(outcome.status, outcome.message));
    Body body = write(*query, outcome, *spec);
    HttpReply reply{200, std::move(body.text), std::move(body.type), {}};
    if (body.json_bytes)
      reply.headers.emplace_back("Inference-Header-Content-Length", std::to_string(*body.json_bytes));
    respond(std::move(reply));
  };
  if (!board_.submit(std::move(task))) respond(error_reply(429, "too many requests are waiting; try again later"));
}

std::string Service::metrics() {
  const auto conditions = board_.conditions();
  std::vector<std::string> names;
  std::vector<std::size_t> waiting;
  for (std::size_t model = 0; model < inputs_.size(); ++model) {
    names.push_back(inputs_[model].name);
    waiting.push_back(board_.waiting(model));
  }
  return metrics_text({names, *conditions, figures_, waiting, connections(), clock_()});
}

}  // namespace shardmill::serve
