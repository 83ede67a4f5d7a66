// Small parts of answers. Private to the service.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "serve/api.hpp"
#include "serve/http_server.hpp"

namespace shardmill::serve {

inline HttpReply error_reply(int status, std::string_view message) {
  HttpReply reply{status, write_error(message).text, "application/json", {}};
  if (status == 429 || status == 503) reply.headers.emplace_back("Retry-After", "1");
  return reply;
}

inline HttpReply json_reply(int status, std::string text) { return {status, std::move(text), "application/json", {}}; }

inline void allow(const HttpRequest& request, const std::string& method) {
  if (request.method == method) return;
  throw RequestError(405, request.path + " takes " + method + ", not " + request.method);
}

}  // namespace shardmill::serve
