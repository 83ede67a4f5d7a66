// What the server answers: paths, methods, and what happens to a request until it is handed over.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "job/job.hpp"
#include "serve/board.hpp"
#include "serve/http_server.hpp"
#include "serve/metrics.hpp"
#include "serve/tokens.hpp"

namespace shardmill::serve {

class Service {
 public:
  // clock: seconds, the dispatcher's. All outlive the service.
  Service(const job::Job& job, Board& board, std::function<double()> clock);

  // admit: who may not ask, and what they are told; it is counted.
  std::optional<HttpReply> admit(const HttpRequest& request);
  void handle(HttpRequest request, const Respond& respond);
  // Counts an answer that the HTTP server gave by itself.
  void count(int status);
  // Who may ask; null: anybody.
  void set_tokens(std::shared_ptr<const Tokens> tokens);
  // How many connections are open; to be set before the first request.
  std::function<std::size_t()> connections = [] { return std::size_t{0}; };

 private:
  using Read = std::function<Query(const HttpRequest&, const ModelSpec&)>;
  using Write = std::function<Body(const Query&, const Outcome&, const ModelSpec&)>;

  // A path that is about a model: which, and what of it ("/infer").
  struct OfModel {
    std::size_t model = 0;
    std::string rest;
  };
  std::size_t find(const std::string& name) const;
  std::optional<OfModel> protocol_path(const std::string& path) const;
  HttpReply answer(const HttpRequest& request);
  HttpReply of_model(const HttpRequest& request, const OfModel& place) const;
  HttpReply index(const HttpRequest& request) const;
  HttpReply ready(const HttpRequest& request, bool is_ready) const;
  bool reload(const HttpRequest& request, const Respond& respond);
  void compute(std::size_t model, const HttpRequest& request, const Respond& respond, const Read& read,
               const Write& write);
  ModelSpec spec(std::size_t model) const;
  std::string metrics();

  const job::Job& job_;
  Board& board_;
  std::function<double()> clock_;
  std::vector<ModelSpec> inputs_;  // of each model, without outputs
  HttpFigures figures_;
  std::shared_ptr<const Tokens> tokens_;
};

// A page to try the model in a browser; needs nothing from elsewhere.
std::string_view page_html();
// The paths as an OpenAPI 3.1 document. The first model is the one that /predict means.
std::string openapi_json(const std::string& title, const std::vector<ModelSpec>& models);

// What the model's clients send.
std::vector<TensorSpec> input_specs(const job::ServedModel& served);

}  // namespace shardmill::serve
