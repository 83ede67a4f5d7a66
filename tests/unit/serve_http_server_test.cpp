// The HTTP server's loop: what ends a wait, and when requests are answered. What it says over HTTP is tested with curl.
#include <array>
#include <functional>
#include <string>
#include <thread>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/http_server.hpp"

namespace shardmill::serve {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto until_something = std::chrono::microseconds(60s);  // far longer than any machine takes

class Loop : public testing::Test {
 protected:
  Loop() { server_.start(); }

  // The whole answer to a request on a connection of its own; in another thread than the loop.
  std::string ask(const std::string& request) const {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_port = htons(static_cast<std::uint16_t>(server_.port()));
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const void* address = &place;
    if (::connect(socket, static_cast<const sockaddr*>(address), sizeof place) != 0) ADD_FAILURE() << "cannot connect";
    if (::send(socket, request.data(), request.size(), 0) < 0) ADD_FAILURE() << "cannot send";
    std::string answer;
    std::array<char, 4096> part{};
    for (ssize_t got = 0; (got = ::recv(socket, part.data(), part.size(), 0)) > 0;)
      answer.append(part.data(), static_cast<std::size_t>(got));
    ::close(socket);
    return answer;
  }

  // The same, from the loop's thread: `then` is called when the handler has it, and the loop goes on until all is said.
  std::string answer_to(
      const std::string& request, const std::function<void()>& then = [] {}) {
    std::string answer;
    std::thread client([&] { answer = ask(request); });
    while (!respond_) server_.run(until_something);
    then();
    respond_ = nullptr;
    while (server_.connections() > 0) server_.run(1ms);
    client.join();
    return answer;
  }

  HttpRequest asked_;
  Respond respond_;
  std::function<void()> when_asked_ = [] {};
  HttpServer server_{{},
                     {[this](HttpRequest request, const Respond& respond) {
                        asked_ = std::move(request);
                        respond_ = respond;
                        when_asked_();
                      },
                      {},
                      [](int) {}}};
};

constexpr auto get = "GET / HTTP/1.1\r\nConnection: close\r\n\r\n";

TEST_F(Loop, AnswersLaterOutsideOfRun) {
  const std::string answer =
      answer_to("POST /x?y HTTP/1.1\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc", [this] {
        EXPECT_EQ(asked_.path, "/x");
        EXPECT_EQ(asked_.body, "abc");
        EXPECT_EQ(server_.connections(), 1U);
        respond_({200, "later", "text/plain", {}});
      });
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\nlater")) << answer;
}

TEST_F(Loop, ARequestIsAnsweredOnce) {
  when_asked_ = [this] {
    respond_({202, "first", "text/plain", {}});
    throw std::runtime_error("it broke");
  };
  const std::string answer = answer_to(get, [this] { respond_({202, "again", "text/plain", {}}); });
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 202 ")) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\nfirst")) << answer;
}

TEST_F(Loop, AnErrorInTheHandlerIsAnAnswer) {
  when_asked_ = [] { throw std::runtime_error("it broke"); };
  const std::string answer = answer_to(get);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 500 ")) << answer;
  EXPECT_NE(answer.find("it broke"), std::string::npos) << answer;
}

TEST_F(Loop, WaitsAsLongAsItIsTold) {
  const auto begin = Clock::now();
  EXPECT_FALSE(server_.run(3ms));
  EXPECT_GE(Clock::now() - begin, 3ms);
  EXPECT_FALSE(server_.run(0us));
}

TEST_F(Loop, WhatIsWatchedEndsAWait) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  server_.watch(pipe[0]);
  EXPECT_FALSE(server_.run(1ms));
  std::thread other([&] {
    std::this_thread::sleep_for(20ms);
    EXPECT_EQ(::write(pipe[1], "x", 1), 1);
  });
  EXPECT_TRUE(server_.run(until_something));
  other.join();
  EXPECT_TRUE(server_.run(until_something));  // nobody has read it
  char taken = 0;
  ASSERT_EQ(::read(pipe[0], &taken, 1), 1);
  EXPECT_FALSE(server_.run(3ms));
  EXPECT_EQ(::write(pipe[1], "x", 1), 1);
  EXPECT_TRUE(server_.run(until_something));
  ::close(pipe[0]);
  ::close(pipe[1]);
}

}  // namespace
}  // namespace shardmill::serve
