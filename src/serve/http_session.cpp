#include "serve/http_session.hpp"

#include <array>
#include <chrono>
#include <string_view>

#include <boost/asio/write.hpp>

#include "serve/api.hpp"

namespace shardmill::serve {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr std::uint32_t max_header = 16 * 1024;
constexpr std::size_t read_at_once = 4 * 1024;  // header and body of a small request: in one call, not in pieces of 512
constexpr std::chrono::seconds linger_time{2};
constexpr std::size_t linger_bytes = 64 * 1024;
constexpr int most_lingers = 1024;

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

HttpRequest head_of(const http::request<http::string_body>& message) {
  HttpRequest request;
  request.method = std::string(message.method_string());
  const beast::string_view target = message.target();
  request.path = std::string(target.substr(0, target.find('?')));
  for (const auto& field : message) request.headers.emplace_back(field.name_string(), field.value());
  return request;
}

// As Beast would write it, which takes 4 us more. Names and values are ours, free of line ends.
std::string head_of(const HttpReply& reply, unsigned version, bool keep_alive) {
  const auto reason = http::obsolete_reason(http::int_to_status(static_cast<unsigned>(reply.status)));
  std::string head;
  head.reserve(256);
  head += version == 10 ? "HTTP/1.0 " : "HTTP/1.1 ";
  head += std::to_string(reply.status) + ' ';
  head.append(reason.data(), reason.size());
  const auto add = [&head](std::string_view name, std::string_view value) {
    head.append("\r\n").append(name).append(": ").append(value);
  };
  add("Server", "shardmill");
  add("Content-Type", reply.type);
  for (const auto& [name, value] : reply.headers) add(name, value);
  if (keep_alive != (version != 10)) add("Connection", keep_alive ? "keep-alive" : "close");
  add("Content-Length", std::to_string(reply.body.size()));
  return head += "\r\n\r\n";
}

}  // namespace

template <typename Stream>
HttpSession<Stream>::HttpSession(Stream stream, std::shared_ptr<HttpShared> shared)
    : stream_(std::move(stream)), shared_(std::move(shared)), tls_(shared_->options.tls) {
  shared_->sessions.insert(this);
  ++shared_->open;
  beast::error_code ignored;
  transport().socket().set_option(asio::ip::tcp::no_delay(true), ignored);
}

template <typename Stream>
void HttpSession<Stream>::begin() {
  if constexpr (std::is_same_v<Stream, SecureStream>) {
    transport().expires_after(milliseconds(shared_->options.read_timeout));
    stream_.async_handshake(asio::ssl::stream_base::server, [self = this->shared_from_this()](Error error) {
      if (!error) self->read_header();
    });
  } else {
    read_header();
  }
}

template <typename Stream>
HttpSession<Stream>::~HttpSession() {
  give_back_bytes();
  shared_->sessions.erase(this);
  --shared_->open;
}

template <typename Stream>
void HttpSession<Stream>::give_back_bytes() {
  shared_->body_bytes -= charged_;
  charged_ = 0;
}

template <typename Stream>
void HttpSession<Stream>::read_header() {
  idle_ = true;
  head_ = false;
  parser_.emplace();
  parser_->header_limit(max_header);
  parser_->body_limit(shared_->options.max_body);
  transport().expires_after(milliseconds(shared_->options.idle_timeout));
  http::async_read_header(stream_, buffer_, *parser_,
                          [self = this->shared_from_this()](Error error, std::size_t) { self->on_header(error); });
}

template <typename Stream>
void HttpSession<Stream>::close_if_idle() {
  if (idle_ && buffer_.size() == 0) transport().close();
}

template <typename Stream>
void HttpSession<Stream>::on_header(Error error) {
  idle_ = false;
  if (error == http::error::end_of_stream || error == beast::error::timeout || error == asio::error::operation_aborted)
    return end();
  if (error == http::error::body_limit)
    return refuse(413, "the body has more than " + std::to_string(shared_->options.max_body) + " bytes");
  if (error == http::error::header_limit)
    return refuse(431, "the headers have more than " + std::to_string(max_header) + " bytes");
  if (error && error.category() == make_error_code(http::error::bad_method).category())
    return refuse(400, "this is not an HTTP request: " + error.message());
  if (error) return;              // the connection is gone
  buffer_.reserve(read_at_once);  // not before: thousands of connections may never say anything
  head_ = parser_->get().method() == http::verb::head;
  request_ = head_of(parser_->get());
  version_ = parser_->get().version();
  keep_alive_ = parser_->get().keep_alive();
  if (shared_->calls.admit) {
    if (auto reply = shared_->calls.admit(request_)) return turn_away(std::move(*reply));
  }
  const auto length = parser_->content_length();
  const bool has_body = parser_->chunked() || length.value_or(0) > 0;
  charged_ = !has_body ? 0 : length ? static_cast<std::size_t>(*length) : shared_->options.max_body;
  shared_->body_bytes += charged_;
  if (shared_->body_bytes > bodies_at_once * shared_->options.max_body)
    return refuse(503, "too many large requests at a time; try again later");
  if (!beast::iequals(parser_->get()[http::field::expect], "100-continue")) return read_body();
  auto go_on = std::make_shared<http::response<http::empty_body>>(http::status::continue_, version_);
  transport().expires_after(milliseconds(shared_->options.read_timeout));
  http::async_write(stream_, *go_on, [self = this->shared_from_this(), go_on](Error failed, std::size_t) {
    if (!failed) self->read_body();
  });
}

template <typename Stream>
void HttpSession<Stream>::read_body() {
  transport().expires_after(milliseconds(shared_->options.read_timeout));
  http::async_read(stream_, buffer_, *parser_,
                   [self = this->shared_from_this()](Error error, std::size_t) { self->on_body(error); });
}

template <typename Stream>
void HttpSession<Stream>::on_body(Error error) {
  if (error == http::error::body_limit)
    return refuse(413, "the body has more than " + std::to_string(shared_->options.max_body) + " bytes");
  if (error == beast::error::timeout) return shared_->calls.refused(408);  // Beast has closed it
  if (error == http::error::partial_message) return refuse(400, "the body is shorter than its Content-Length");
  if (error && error.category() == make_error_code(http::error::bad_method).category())
    return refuse(400, "this is not an HTTP request: " + error.message());
  if (error) return;
  transport().expires_never();
  handle();
}

template <typename Stream>
void HttpSession<Stream>::handle() {
  request_.body = std::move(parser_->get().body());
  const Respond respond = [self = this->shared_from_this(), ticket = ticket_](HttpReply reply) {
    if (ticket == self->ticket_) self->write(std::move(reply));
  };
  try {
    shared_->calls.handle(std::move(request_), respond);
  } catch (const std::exception& error) {
    respond({500, write_error(error.what()).text, "application/json", {}});
  }
}

template <typename Stream>
void HttpSession<Stream>::refuse(int status, const std::string& message) {
  shared_->calls.refused(status);
  HttpReply reply{status, write_error(message).text, "application/json", {}};
  if (status == 503) reply.headers.emplace_back("Retry-After", "1");
  turn_away(std::move(reply));
}

template <typename Stream>
void HttpSession<Stream>::turn_away(HttpReply reply) {
  keep_alive_ = false;
  write(std::move(reply));
}

template <typename Stream>
void HttpSession<Stream>::write(HttpReply reply) {
  ++ticket_;
  keep_alive_ = keep_alive_ && !shared_->draining;
  reply_head_ = head_of(reply, version_, keep_alive_);
  reply_body_ = head_ ? std::string() : std::move(reply.body);
  transport().expires_after(milliseconds(shared_->options.read_timeout));
  const std::array<asio::const_buffer, 2> both{asio::buffer(reply_head_), asio::buffer(reply_body_)};
  asio::async_write(stream_, both,
                    [self = this->shared_from_this()](Error error, std::size_t) { self->on_written(error); });
}

template <typename Stream>
void HttpSession<Stream>::on_written(Error error) {
  give_back_bytes();
  reply_body_ = {};
  if (error) return;
  if (!keep_alive_) return end();
  read_header();
}

template <typename Stream>
void HttpSession<Stream>::end() {
  if constexpr (std::is_same_v<Stream, SecureStream>) {
    transport().expires_after(linger_time);
    stream_.async_shutdown([self = this->shared_from_this()](Error) { self->linger(); });
  } else {
    linger();
  }
}

template <typename Stream>
void HttpSession<Stream>::linger() {
  if (lingers_ == 0) {
    Error ignored;
    transport().socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    if (ignored) return;
    discarded_.resize(linger_bytes);
    transport().expires_after(linger_time);
  }
  if (++lingers_ > most_lingers) return;
  transport().async_read_some(asio::buffer(discarded_), [self = this->shared_from_this()](Error error, std::size_t) {
    if (!error) self->linger();
  });
}

template class HttpSession<PlainStream>;
template class HttpSession<SecureStream>;

void begin_session(Socket socket, const std::shared_ptr<HttpShared>& shared) {
  if (shared->options.tls) {
    SecureStream stream(std::move(socket), *shared->options.tls);
    std::make_shared<HttpSession<SecureStream>>(std::move(stream), shared)->begin();
  } else {
    std::make_shared<HttpSession<PlainStream>>(PlainStream(std::move(socket)), shared)->begin();
  }
}

}  // namespace shardmill::serve
