// A fed rank's end of the line to the coordinator: what its threads need, and what they get.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "comm/messages.hpp"
#include "infer/outbox.hpp"

namespace shardmill::infer {

// Requests have numbers that are never used again, so an answer that comes late or twice does no harm. All of them can
// be asked again, of the next coordinator: reading changes nothing, and rows are written to the same place.
class FeedLine {
 public:
  explicit FeedLine(Outbox& outbox) : outbox_(outbox) {}

  // ---- from any thread

  // Sends a Fetch or Store and returns at once: its number.
  template <typename Request>
  std::int64_t ask(Request request) {
    const std::lock_guard lock(mutex_);
    request.id = ++last_;
    open_[request.id].request = request;
    ++unanswered_;
    outbox_.post(comm::Message(std::move(request)));
    return last_;
  }
  // Waits for the answer. Once for a number. Throws RankLost when the line is closed.
  comm::Served wait(std::int64_t id);
  // Nobody will wait for this one.
  void forget(std::int64_t id);

  // ---- from the thread that does MPI

  void answer(comm::Served served);
  // The coordinator is another one now.
  void ask_again();
  // No request is without an answer.
  bool idle();
  void close();

 private:
  struct Open {
    comm::Message request;
    std::optional<comm::Served> answer;
  };
  Outbox& outbox_;
  std::mutex mutex_;
  std::condition_variable answered_;
  std::map<std::int64_t, Open> open_;
  std::int64_t last_ = 0;
  std::int64_t unanswered_ = 0;  // those that nobody waits for count too: they are on their way
  bool closed_ = false;
};

}  // namespace shardmill::infer
