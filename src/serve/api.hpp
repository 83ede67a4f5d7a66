// The bodies of requests and answers: our own (/predict) and the Open Inference Protocol's (/v2/models/NAME/infer).
//
// Source of the protocol: "Open Inference Protocol", HTTP/REST, with Triton's binary tensor data extension.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/request.hpp"
#include "serve/tensor.hpp"

namespace shardmill::serve {

// What the server offers. Outputs are known once a rank has run its model.
struct ModelSpec {
  std::string name;
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  std::int64_t max_batch_size = 1;
};

// A request for a forward pass, and how its answer is to look.
struct Query {
  std::int64_t rows = 0;
  std::vector<std::string> inputs;  // see Request
  std::optional<double> timeout;    // seconds

  bool lone = false;  // /predict: one record, without a batch around it
  std::string id;     // of the protocol, JSON
  struct Wanted {
    std::size_t output = 0;
    bool binary = false;
  };
  std::vector<Wanted> wanted;  // of the protocol
};

struct Body {
  std::string text;
  std::string type = "application/json";
  std::optional<std::size_t> json_bytes;  // in front of binary data: the header Inference-Header-Content-Length
};

// Throw RequestError.
Query read_predict(std::string_view body, const ModelSpec& model);
Query read_infer(std::string_view body, std::optional<std::size_t> json_bytes, const ModelSpec& model);

Body write_predict(const Query& query, const Outcome& outcome, const ModelSpec& model);
Body write_infer(const Query& query, const Outcome& outcome, const ModelSpec& model);
// {"error": "..."}
Body write_error(std::string_view message);

// The protocol's description of the model.
Body model_metadata(const ModelSpec& model, std::string_view platform);

// What both readers check: at least one record, and at most max_batch_size. `rows` is the axis 0 of `where`.
void check_rows(std::int64_t rows, const ModelSpec& model, const std::string& where);
JsonLimits limits_of(const ModelSpec& model);

}  // namespace shardmill::serve
