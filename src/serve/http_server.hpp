// HTTP/1.1 for the front, plain or by TLS: keep-alive, bounded bodies, time limits, deferred answers. On Boost.Beast,
// which stays inside http_server.cpp and http_session.*. It has no thread of its own: everything happens in run(), and
// one thread makes and uses all that is here.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace boost::asio::ssl {
class context;
}

namespace shardmill::serve {

struct HttpOptions {
  std::string host = "127.0.0.1";
  int port = 0;  // 0: any that is free
  std::size_t max_body = 1 << 20;
  std::size_t max_connections = 10'000;
  double idle_timeout = 60;
  double read_timeout = 30;
  std::shared_ptr<boost::asio::ssl::context> tls;  // null: plain HTTP
};

// Bodies that are read at a time have at most so many times max_body bytes together; what is more is told to come
// later.
inline constexpr std::size_t bodies_at_once = 64;

struct HttpRequest {
  std::string method;  // "GET"
  std::string path;    // without the query
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;

  // Names are compared without case.
  std::optional<std::string_view> header(std::string_view name) const;
};

struct HttpReply {
  int status = 200;
  std::string body;
  std::string type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;  // more of them
};

// To be called once, while the server is there.
using Respond = std::function<void(HttpReply)>;

// What the server calls, in run().
struct HttpCalls {
  // Answers now or later. What it throws becomes status 500.
  std::function<void(HttpRequest, Respond)> handle;
  // May be empty. Looks at a request before its body is read: an answer turns it away and ends the connection.
  std::function<std::optional<HttpReply>(const HttpRequest&)> admit;
  // A connection's mistake that never becomes a request: its status.
  std::function<void(int)> refused;
};

class HttpServer {
 public:
  // Listens. Throws StoreError if it cannot, with what to do.
  HttpServer(const HttpOptions& options, HttpCalls calls);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  int port() const;
  // Begins to accept.
  void start();
  // run() ends a wait when there is something to read from it, such as a bell's descriptor. It stays the caller's.
  void watch(int descriptor);
  // Does what is there to be done, for a moment at most; if there is nothing, waits for it. True if something can be
  // read from the descriptor, or could since the last call.
  bool run(std::chrono::microseconds wait);
  // Accepts no more; connections that ask nothing are closed after a moment, the others after their answer.
  void drain();
  // Of a server that has TLS: connections that come from now on use this.
  void set_tls(std::shared_ptr<boost::asio::ssl::context> tls);
  // That are open.
  std::size_t connections() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shardmill::serve
