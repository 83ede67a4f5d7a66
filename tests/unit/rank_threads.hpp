// Ranks that are threads of one process: what carries their transfers in place of MPI.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "comm/transfer.hpp"
#include "train/desk.hpp"

namespace shardmill::train {

// What the ranks have sent each other and not yet received.
class Post {
 public:
  void send(int from, const comm::Transfer& transfer) {
    const std::lock_guard lock(mutex_);
    const auto* data = static_cast<const char*>(transfer.data);
    letters_[{from, transfer.peer}].emplace_back(data, data + transfer.bytes);
    arrived_.notify_all();
  }
  // False if it will not come.
  bool receive(int to, const comm::Transfer& transfer) {
    std::unique_lock lock(mutex_);
    auto& letters = letters_[{transfer.peer, to}];
    arrived_.wait(lock, [&] { return !letters.empty() || closed_; });
    if (letters.empty()) return false;
    EXPECT_EQ(letters.front().size(), transfer.bytes);
    std::memcpy(transfer.data, letters.front().data(), std::min(letters.front().size(), transfer.bytes));
    letters.pop_front();
    return true;
  }
  // Somebody has died: who waits for what is not there yet is interrupted.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    arrived_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  bool closed_ = false;
  std::map<std::pair<int, int>, std::deque<std::vector<char>>> letters_;
};

// Stands for MPI: carries out what a rank's worker wants to be transferred; dies after so many exchanges.
class Clerk {
 public:
  Clerk(Post& post, int rank, Desk& desk, int lives = 1 << 20)
      : post_(post), rank_(rank), desk_(desk), lives_(lives), thread_([this] { run(); }) {}
  ~Clerk() {
    end_ = true;
    thread_.join();
  }

 private:
  void run() {
    while (!end_) {
      desk_.wait(std::chrono::milliseconds(1));
      const auto transfers = desk_.take_transfers();
      if (!transfers) continue;
      bool good = lives_-- > 0;
      if (!good) post_.close();
      for (const comm::Transfer& send : transfers->sends) {
        if (good) post_.send(rank_, send);
      }
      for (const comm::Transfer& receive : transfers->receives) good = good && post_.receive(rank_, receive);
      desk_.end_transfers(good);
    }
  }

  Post& post_;
  int rank_;
  Desk& desk_;
  int lives_;
  std::atomic<bool> end_ = false;
  std::thread thread_;
};

}  // namespace shardmill::train
