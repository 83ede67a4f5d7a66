#include "serve/http_server.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <system_error>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <unistd.h>

#include "job/error.hpp"
#include "serve/http_session.hpp"

namespace shardmill::serve {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr std::chrono::milliseconds accept_pause{100};  // after an error such as too many open files
constexpr std::chrono::milliseconds idle_grace{500};    // when draining: a request may be on its way
// Until the caller looks after the ranks again. Requests that come within it go to them in one batch: shorter, and
// small batches cost more than they bring; longer, and the ranks wait.
constexpr std::chrono::microseconds longest_run{150};

}  // namespace

struct HttpServer::State {
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard{context.get_executor()};  // never out of work
  tcp::acceptor acceptor{context};
  asio::steady_timer pause{context};
  asio::steady_timer grace{context};
  asio::steady_timer nap{context};
  std::optional<asio::posix::stream_descriptor> watched;
  bool is_rung = false;
  std::shared_ptr<HttpShared> shared = std::make_shared<HttpShared>();
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

  // For once: again only when the caller has had the time to read from it, or a sweep would hear of nothing else.
  void watch() {
    watched->async_wait(asio::posix::stream_descriptor::wait_read, [this](boost::system::error_code error) {
      if (!error) is_rung = true;
    });
  }

  // A sweep; true if there was something.
  bool work() {
    const auto end = std::chrono::steady_clock::now() + longest_run;
    bool worked = false;
    while (context.poll_one() > 0) {
      worked = true;
      if (std::chrono::steady_clock::now() > end) break;
    }
    return worked;
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

HttpServer::~HttpServer() = default;

int HttpServer::port() const { return state_->port; }

void HttpServer::start() { state_->accept(); }

void HttpServer::watch(int descriptor) {
  const int copy = ::dup(descriptor);  // Asio closes what it has
  if (copy < 0) throw std::system_error(errno, std::generic_category(), "dup");
  state_->watched.emplace(state_->context, copy);
  state_->watch();
}

bool HttpServer::run(std::chrono::microseconds wait) {
  State& state = *state_;
  if (state.watched && std::exchange(state.is_rung, false)) state.watch();
  if (!state.work() && wait.count() > 0) {
    // Not run_one_for(), which counts in milliseconds.
    state.nap.expires_after(wait);
    state.nap.async_wait([](boost::system::error_code) {});
    state.context.run_one();
    state.nap.cancel();
    state.work();
  }
  return state.is_rung;
}

void HttpServer::drain() {
  state_->shared->draining = true;
  boost::system::error_code ignored;
  state_->acceptor.close(ignored);
  state_->grace.expires_after(idle_grace);
  state_->grace.async_wait([state = state_.get()](boost::system::error_code error) {
    if (!error) state->close_idle();
  });
}

void HttpServer::set_tls(std::shared_ptr<asio::ssl::context> tls) { state_->shared->options.tls = std::move(tls); }

std::size_t HttpServer::connections() const { return state_->shared->open; }

}  // namespace shardmill::serve
