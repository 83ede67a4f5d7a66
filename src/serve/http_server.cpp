#include "serve/http_server.hpp"

#include <algorithm>
#include <cctype>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "job/error.hpp"
#include "serve/http_session.hpp"

namespace shardmill::serve {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr std::chrono::milliseconds accept_pause{100};  // after an error such as too many open files
constexpr std::chrono::milliseconds idle_grace{500};    // when draining: a request may be on its way

}  // namespace

struct HttpServer::State {
  asio::io_context context{1};
  tcp::acceptor acceptor{context};
  asio::steady_timer pause{context};
  asio::steady_timer grace{context};
  std::shared_ptr<HttpShared> shared = std::make_shared<HttpShared>();
  std::thread thread;
  int port = 0;

  void listen() {
    const HttpOptions& options = shared->options;
    const std::string place = options.host + ":" + std::to_string(options.port);
    boost::system::error_code error;
    tcp::resolver resolver(context);
    const auto found = resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive, error);
    if (error || found.empty())
      throw StoreError("cannot listen on " + place + ": " + error.message() +
                       "; set serve.host to an address of this machine");
    const tcp::endpoint endpoint = found.begin()->endpoint();
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) throw StoreError("cannot listen on " + place + ": " + error.message() + "; choose another serve.port");
    port = acceptor.local_endpoint().port();
  }

  void accept() {
    acceptor.async_accept(context, [this](boost::system::error_code error, Socket socket) {
      if (!acceptor.is_open()) return;
      if (error) {
        pause.expires_after(accept_pause);
        pause.async_wait([this](boost::system::error_code) { accept(); });
        return;
      }
      if (shared->open < shared->options.max_connections) begin_session(std::move(socket), shared);
      accept();
    });
  }

  void close_idle() {
    // A copy: closing one may end it at once.
    for (HttpConnection* session : std::set<HttpConnection*>(shared->sessions)) {
      if (shared->sessions.contains(session)) session->close_if_idle();
    }
    grace.expires_after(idle_grace);
    grace.async_wait([this](boost::system::error_code error) {
      if (!error) close_idle();
    });
  }
};

std::optional<std::string_view> HttpRequest::header(std::string_view name) const {
  const auto same = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
  };
  for (const auto& [key, value] : headers) {
    if (std::equal(key.begin(), key.end(), name.begin(), name.end(), same)) return value;
  }
  return std::nullopt;
}

HttpServer::HttpServer(const HttpOptions& options, HttpCalls calls) : state_(std::make_unique<State>()) {
  state_->shared->options = options;
  state_->shared->calls = std::move(calls);
  state_->listen();
}

HttpServer::~HttpServer() {
  state_->context.stop();
  if (state_->thread.joinable()) state_->thread.join();
}

int HttpServer::port() const { return state_->port; }

void HttpServer::start() {
  state_->accept();
  state_->thread = std::thread([state = state_.get()] { state->context.run(); });
}

void HttpServer::drain() {
  asio::post(state_->context, [state = state_.get()] {
    state->shared->draining = true;
    boost::system::error_code ignored;
    state->acceptor.close(ignored);
    state->grace.expires_after(idle_grace);
    state->grace.async_wait([state](boost::system::error_code error) {
      if (!error) state->close_idle();
    });
  });
}

void HttpServer::set_tls(std::shared_ptr<asio::ssl::context> tls) {
  asio::post(state_->context, [state = state_.get(), tls = std::move(tls)] { state->shared->options.tls = tls; });
}

std::size_t HttpServer::connections() const { return state_->shared->open; }

}  // namespace shardmill::serve
