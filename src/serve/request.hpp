// A request for a forward pass, and what becomes of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "job/error.hpp"

namespace shardmill::serve {

// What is wrong with a request, in a sentence for its client.
class RequestError : public Error {
 public:
  RequestError(int status, const std::string& message) : Error(message, ExitCode::failed), status_(status) {}
  int status() const { return status_; }  // of HTTP, 4xx or 5xx

 private:
  int status_;
};

struct Outcome {
  int status = 200;     // of HTTP
  std::string message;  // if it is not 200
  // Of each output of the model its rows, one after the other, row-major and little-endian.
  std::vector<std::string> outputs;
};

struct Request {
  std::size_t model = 0;  // of the job's
  std::int64_t rows = 0;
  std::vector<std::string> inputs;  // as outputs above; in the order of the model's inputs
  double arrived = 0;               // seconds, of the dispatcher's clock
  double deadline = 0;
  std::function<void(Outcome)> answer;  // called once, in the dispatcher's thread
};

}  // namespace shardmill::serve
