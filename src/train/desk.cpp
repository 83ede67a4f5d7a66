#include "train/desk.hpp"

#include <utility>

namespace shardmill::train {

std::optional<comm::Deal> Desk::regroup(comm::Standing standing) {
  std::unique_lock lock(mutex_);
  standing_ = std::move(standing);
  waiting_ = news_ = true;
  for_clerk_.notify_one();
  for_worker_.wait(lock, [this] { return deal_.has_value() || ended_; });
  standing_.reset();
  if (ended_) return std::nullopt;  // it computes no more: never busy again
  waiting_ = false;
  return std::exchange(deal_, std::nullopt);
}

void Desk::exchange(std::vector<comm::Transfer> sends, std::vector<comm::Transfer> receives) {
  if (sends.empty() && receives.empty()) return throw_if_interrupted();
  std::unique_lock lock(mutex_);
  if (interrupted_) throw Interrupted{};
  transfers_ = Transfers{std::move(sends), std::move(receives)};
  waiting_ = news_ = true;
  for_clerk_.notify_one();
  for_worker_.wait(lock, [this] { return transferred_.has_value(); });
  waiting_ = false;
  if (!*std::exchange(transferred_, std::nullopt)) throw Interrupted{};
}

void Desk::idle() {
  std::unique_lock lock(mutex_);
  waiting_ = true;
  for_worker_.wait(lock, [this] { return interrupted_ || ended_; });
  waiting_ = false;
  throw Interrupted{};
}

void Desk::throw_if_interrupted() const {
  if (interrupted_) throw Interrupted{};
}

void Desk::set_waiting(bool waiting) {
  const std::lock_guard lock(mutex_);
  waiting_ = waiting;
}

void Desk::post(Task task) {
  const std::lock_guard lock(mutex_);
  tasks_.push_back(std::move(task));
  news_ = true;
  for_clerk_.notify_one();
}

void Desk::fail(Trouble trouble) {
  const std::lock_guard lock(mutex_);
  if (!trouble_) trouble_ = std::move(trouble);
  waiting_ = news_ = true;
  for_clerk_.notify_one();
}

bool Desk::wait(std::chrono::microseconds nap) {
  std::unique_lock lock(mutex_);
  for_clerk_.wait_for(lock, nap, [this] { return news_; });
  return std::exchange(news_, false);
}

std::optional<Desk::Transfers> Desk::take_transfers() {
  const std::lock_guard lock(mutex_);
  return std::exchange(transfers_, std::nullopt);
}

void Desk::end_transfers(bool good) {
  const std::lock_guard lock(mutex_);
  transferred_ = good;
  for_worker_.notify_one();
}

std::optional<comm::Standing> Desk::standing() const {
  const std::lock_guard lock(mutex_);
  // With a deal on its desk the worker has only not woken up yet.
  return deal_ ? std::nullopt : standing_;
}

std::deque<Desk::Task> Desk::take_tasks() {
  const std::lock_guard lock(mutex_);
  return std::exchange(tasks_, {});
}

std::optional<Trouble> Desk::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

void Desk::interrupt() {
  const std::lock_guard lock(mutex_);
  interrupted_ = true;
  deal_.reset();
  // Transfers that the clerk has not begun.
  if (std::exchange(transfers_, std::nullopt)) transferred_ = false;
  for_worker_.notify_one();
}

void Desk::deal(const comm::Deal& deal) {
  const std::lock_guard lock(mutex_);
  deal_ = deal;
  interrupted_ = false;
  for_worker_.notify_one();
}

void Desk::end() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  interrupted_ = true;
  if (std::exchange(transfers_, std::nullopt)) transferred_ = false;
  for_worker_.notify_one();
}

bool Desk::busy() const {
  const std::lock_guard lock(mutex_);
  return !waiting_;
}

}  // namespace shardmill::train
