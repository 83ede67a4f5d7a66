#include "infer/feed_line.hpp"

#include "job/error.hpp"

namespace shardmill::infer {

comm::Served FeedLine::wait(std::int64_t id) {
  std::unique_lock lock(mutex_);
  const auto open = open_.find(id);
  SHARDMILL_CHECK(open != open_.end(), "an answer that was asked for");
  answered_.wait(lock, [&] { return closed_ || open->second.answer; });
  if (!open->second.answer) throw RankLost("this rank is leaving: what it asked for will not come");
  comm::Served served = std::move(*open->second.answer);
  open_.erase(open);
  return served;
}

void FeedLine::forget(std::int64_t id) {
  const std::lock_guard lock(mutex_);
  open_.erase(id);
}

void FeedLine::answer(comm::Served served) {
  const std::lock_guard lock(mutex_);
  --unanswered_;
  const auto open = open_.find(served.id);
  if (open == open_.end()) return;
  open->second.answer = std::move(served);
  answered_.notify_all();
}

void FeedLine::ask_again() {
  const std::lock_guard lock(mutex_);
  unanswered_ = 0;
  for (const auto& [id, open] : open_) {
    if (open.answer) continue;
    ++unanswered_;
    outbox_.post(open.request);
  }
}

bool FeedLine::idle() {
  const std::lock_guard lock(mutex_);
  return unanswered_ == 0;
}

void FeedLine::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  answered_.notify_all();
}

}  // namespace shardmill::infer
