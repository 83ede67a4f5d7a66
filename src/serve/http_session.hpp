// One connection. Private to the HTTP server.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

#include "serve/http_server.hpp"

namespace shardmill::serve {

class HttpConnection {
 public:
  virtual ~HttpConnection() = default;
  // Closes it if it waits for a request that has not begun.
  virtual void close_if_idle() = 0;
};

// What the connections of a server share.
struct HttpShared {
  HttpOptions options;
  HttpCalls calls;
  bool draining = false;
  std::size_t body_bytes = 0;  // that are being read or answered
  std::set<HttpConnection*> sessions;
  std::size_t open = 0;
};

// All run on one io_context. Named, it costs less than behind any_io_executor, which boost::beast::tcp_stream has.
using Executor = boost::asio::io_context::executor_type;
using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, Executor>;
using PlainStream = boost::beast::basic_stream<boost::asio::ip::tcp, Executor>;
using SecureStream = boost::beast::ssl_stream<PlainStream>;

// Lives until its client goes or is cut off.
void begin_session(Socket socket, const std::shared_ptr<HttpShared>& shared);

template <typename Stream>
class HttpSession : public HttpConnection, public std::enable_shared_from_this<HttpSession<Stream>> {
 public:
  HttpSession(Stream stream, std::shared_ptr<HttpShared> shared);
  ~HttpSession() override;
  HttpSession(const HttpSession&) = delete;
  HttpSession& operator=(const HttpSession&) = delete;

  void begin();
  void close_if_idle() override;

 private:
  using Error = boost::beast::error_code;

  PlainStream& transport() { return boost::beast::get_lowest_layer(stream_); }
  void read_header();
  void on_header(Error error);
  void read_body();
  void on_body(Error error);
  void handle();
  // A mistake after which the connection cannot go on.
  void refuse(int status, const std::string& message);
  void turn_away(HttpReply reply);
  void write(HttpReply reply);
  void on_written(Error error);
  // Sends the end, and reads on until the client has seen it: closed at once, the last answer might be lost.
  void end();
  void linger();
  void give_back_bytes();

  Stream stream_;
  std::shared_ptr<HttpShared> shared_;
  std::shared_ptr<boost::asio::ssl::context> tls_;  // that it began with
  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  HttpRequest request_;
  std::string reply_head_;
  std::string reply_body_;
  std::string discarded_;
  std::size_t charged_ = 0;  // of body_bytes
  unsigned version_ = 11;
  std::uint64_t ticket_ = 0;  // of the request: each is answered once
  bool keep_alive_ = true;
  bool idle_ = true;
  bool head_ = false;  // the request is HEAD: its answer has no body
  int lingers_ = 0;
};

}  // namespace shardmill::serve
